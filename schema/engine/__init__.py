"""The GraphQL machinery: execution, errors, scalars, ids and connections."""
