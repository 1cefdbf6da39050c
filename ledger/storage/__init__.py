"""The cellar: tables, migrations, and the only code that opens a database session."""
