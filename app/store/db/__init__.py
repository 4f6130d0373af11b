"""Database engine, tables, schema migrations, and the encoding and encryption of columns."""
