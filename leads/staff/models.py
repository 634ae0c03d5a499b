from django.db import models


class CacheEntry(models.Model):
    """The table of Django's database cache, as `createcachetable` would create it. It counts login attempts.

    Because it is a model, `migrate` creates it, and closes it to Supabase's data API like the other tables.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "staff_cache"
        default_permissions = ()

    def __str__(self) -> str:
        return self.cache_key
