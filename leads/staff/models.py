from django.db import models


class CacheEntry(models.Model):
    """The table of Django's database cache, as `createcachetable` would make it: attempts to log in are counted here.

    As a model it comes with `migrate`, and is closed to Supabase's data API with the others.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "staff_cache"
        default_permissions = ()

    def __str__(self) -> str:
        return self.cache_key
