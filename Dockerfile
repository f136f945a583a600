# The image of web, worker and every other command; PostgreSQL and Redis are given by URL.
FROM python:3.13-slim AS packages
WORKDIR /srv/callboard
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-cache

FROM python:3.13-slim
WORKDIR /srv/callboard
RUN useradd --system --home-dir /srv/callboard callboard \
    && mkdir data && chown callboard:callboard data
COPY --from=packages /srv/callboard/.venv .venv
COPY . .
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
