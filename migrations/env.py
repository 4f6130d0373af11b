"""Alembic's entry point: runs the migrations on the connection passed by `app.store.db.schema`."""

from alembic import context

from app.store.db.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
