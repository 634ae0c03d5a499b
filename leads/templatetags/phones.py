from django import template

from leads import chat

register = template.Library()
register.filter("dialled", chat.dialled)
register.filter("total", chat.total)
