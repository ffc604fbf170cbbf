# The serving container: a flow mounted or copied at /flow answers at POST /score on port 8080.
#   docker build -t pfserve .
#   docker run -p 8080:8080 -v "$PWD/examples/async-echo:/flow:ro" pfserve
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY pfserve pfserve
COPY bench bench
RUN python -m venv /opt/pfserve \
 && /opt/pfserve/bin/pip install --no-cache-dir --disable-pip-version-check '.[azure]'

FROM python:3.11-slim
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin pfserve
COPY --from=build /opt/pfserve /opt/pfserve
ENV PATH=/opt/pfserve/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PFSERVE_HOST=0.0.0.0
USER 1000
WORKDIR /flow
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
# The master is PID 1: it takes the signals and reaps orphans, so there is no init in between and no shell script.
ENTRYPOINT ["pfserve"]
CMD ["serve", "/flow"]
