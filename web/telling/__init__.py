"""How the site says things: codes, fields, values, records and sentences, in every language."""
