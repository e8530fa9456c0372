"""The bundled plugins: one file each. A plugin exists when its module and its schema exist."""
