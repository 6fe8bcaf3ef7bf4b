FROM python:3.11-slim
RUN useradd --create-home memsvc && install -d -o memsvc /data /erasures
WORKDIR /srv/memsvc
COPY requirements ./requirements
# The models' part may be left out where no language model and no other encoder runs in the container.
RUN pip install --no-cache-dir --no-deps -r requirements/serve.txt \
    && pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -r requirements/models.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
USER memsvc
ENV MEMSVC_HOST=0.0.0.0 MEMSVC_ALLOWED_HOSTS=localhost MEMSVC_DATA_DIR=/data
VOLUME /data
EXPOSE 8377
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8377/readyz')"
CMD ["memsvc", "serve"]
