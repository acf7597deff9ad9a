# The console: one image, two commands (see docker-compose.yml).
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=cimadmin.settings CIM_DATA=/data
WORKDIR /app

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY manage.py LICENSE ./
COPY cimadmin cimadmin
COPY apps apps
COPY templates templates
COPY static static

RUN useradd --system --uid 10001 --home-dir /data console && install -d -o console -g console -m 0700 /data
USER console
VOLUME /data
EXPOSE 8000

CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "-v", "0", "--no-server-name", "cimadmin.asgi:application"]
