"""A tea shop of six teas, to show where a shop and django_wxpay touch."""
