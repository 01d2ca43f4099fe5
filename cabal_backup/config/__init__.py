"""The settings: declared once, read and validated; CDK and the command line share them."""
