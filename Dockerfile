# Builds the three programs, then leaves them alone with the libraries that they need.
ARG SWIFT=6.2-bookworm
FROM swift:${SWIFT} AS build
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends libpq-dev libssl-dev libcrypt-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources ./Sources
COPY Tests ./Tests
RUN swift build -c release --static-swift-stdlib -Xlinker -s \
 && install -D -t /out .build/release/smile-server .build/release/smile-migrate .build/release/smile-admin

FROM debian:bookworm-slim
# curl carries outgoing web hooks from the jobs process; msmtp is the mail command.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends libpq5 libssl3 libcrypt1 ca-certificates curl msmtp \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 900 --home-dir /var/lib/smile --create-home --shell /usr/sbin/nologin smile
COPY --from=build /out/ /usr/local/bin/
COPY openapi.yaml /usr/share/smile/
COPY Migrations /usr/share/smile/Migrations
WORKDIR /usr/share/smile
# There is no swift-backtrace here to tell of a crash; the supervisor logs its signal.
ENV SMILE_DATA=/var/lib/smile SMILE_RESOURCES=/usr/share/smile LISTEN=0.0.0.0:8080 METRICS_LISTEN=0.0.0.0:9180 \
  SWIFT_BACKTRACE=enable=no
VOLUME /var/lib/smile
USER smile
EXPOSE 8080 9180
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD host=${ALLOWED_HOSTS:-localhost} && \
    curl --fail --silent --output /dev/null --header "Host: ${host%%[ ,]*}" http://127.0.0.1:8080/health/live
CMD ["smile-server"]
