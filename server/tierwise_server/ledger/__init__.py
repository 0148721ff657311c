"""Records every call that may cost money, before it is made, and what it came to. The port is base.py."""
