# Muster as a container: one static binary, nobody's privileges, its data in the volume /data.
#
#   docker build -t muster .
#   docker run -d --name muster -p 8080:8080 -v muster:/data --read-only --tmpfs /tmp --cap-drop ALL muster

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/muster ./cmd/muster
RUN mkdir -p /out/data /out/tmp && chmod 0700 /out/data && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/muster /muster
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/tmp /tmp
USER 65532:65532
ENV MUSTER_DATA=/data MUSTER_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/muster", "health"]
ENTRYPOINT ["/muster"]
CMD ["serve", "--log-level", "info"]
