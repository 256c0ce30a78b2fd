"""How good generated pixels are: figures with what they were measured on."""
