"""Alembic's entry: runs migrations on the connection that `migrate_store` hands over."""

from alembic import context

from thumbtune.core.store.schema_training import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
