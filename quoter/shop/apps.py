from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "quoter.shop"
    label = "shop"

    def ready(self) -> None:
        from quoter.shop import served

        served.look()
