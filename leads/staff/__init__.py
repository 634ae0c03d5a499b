"""How staff get in: django-allauth, behind the staff path alone, with a second factor and for nobody who signs up."""
