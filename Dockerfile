# The image runs web, worker and every other command. Set PostgreSQL and Redis by URL.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /srv/callboard
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-cache --compile-bytecode

FROM ${PYTHON_IMAGE}
WORKDIR /srv/callboard
RUN useradd --system --home-dir /srv/callboard callboard \
    && mkdir data && chown callboard:callboard data
COPY --from=packages /srv/callboard/.venv .venv
COPY . .
# The container's file system is read-only, and compiling at each start costs 5 s of CPU.
RUN python -m compileall -q domain ingest live models resolvers runtime schema server simulator workers
ENV PATH=/srv/callboard/.venv/bin:$PATH \
    PYTHONPATH=/srv/callboard \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER callboard
VOLUME /srv/callboard/data
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-P", "-m", "server.cli"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
