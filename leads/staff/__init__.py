"""Logins of staff, with django-allauth: only below the staff path, with a second factor and without sign-up."""
