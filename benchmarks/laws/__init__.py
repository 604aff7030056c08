"""Laws from data: which are found, beside other ways."""
