FROM python:3.11-slim
LABEL org.opencontainers.image.title="memsvc" \
    org.opencontainers.image.description="Long-term memory for agents" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0"
RUN useradd --create-home memsvc && install -d -o memsvc /data /erasures
WORKDIR /srv/memsvc
COPY requirements ./requirements
# No torch, unless it is asked for: docker build --build-arg MODELS=yes, for language models and other encoders.
ARG MODELS=
RUN pip install --no-cache-dir --no-deps -r requirements/serve.txt \
    && if [ -n "$MODELS" ]; then pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -r requirements/models.txt; fi
COPY pyproject.toml README.md LICENSE ./
COPY memsvc ./memsvc
COPY api ./api
COPY eval ./eval
COPY migrations ./migrations
COPY workers ./workers
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
USER memsvc
ENV MEMSVC_HOST=0.0.0.0 MEMSVC_ALLOWED_HOSTS=localhost MEMSVC_DATA_DIR=/data
VOLUME /data
EXPOSE 8377
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8377/readyz')"
CMD ["memsvc", "serve"]
