# Muster as a container: one static binary, nobody's privileges, its data in the volume /data.
#
#   docker build -t muster .        (podman and buildah: --format docker, or the health check is lost)
#   docker run -d --name muster -p 8080:8080 -v muster:/data --read-only --tmpfs /tmp --cap-drop ALL muster
#
# The same sources and the same GO_VERSION make the same binary.
ARG GO_VERSION=1.26.8

FROM golang:${GO_VERSION}-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Time zones are in the binary: no image is asked for them.
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags "-s -w" -o /out/muster ./cmd/muster
# What the image holds beside it. A folder that is copied by its own name loses its mode, so these are copied by their
# parents'. The user's name is what the audit log says of commands that are run inside.
RUN mkdir -p /out/own/data /out/root/tmp /out/root/etc/ssl/certs && chmod 0700 /out/own/data && chmod 1777 /out/root/tmp && \
	cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/ && \
	echo 'muster:x:65532:65532:Muster:/data:/nonexistent' >/out/root/etc/passwd && echo 'muster:x:65532:' >/out/root/etc/group

FROM scratch
LABEL org.opencontainers.image.title="Muster" \
	org.opencontainers.image.description="Keeps the accounts in a company's apps exactly as its directory says" \
	org.opencontainers.image.source="https://github.com/muster-id/muster" \
	org.opencontainers.image.documentation="https://github.com/muster-id/muster/blob/main/docs/operations.md"
COPY --from=build /out/root/ /
COPY --from=build --chown=65532:65532 /out/own/ /
COPY --from=build /out/muster /
USER 65532:65532
ENV MUSTER_DATA=/data MUSTER_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/muster", "health"]
ENTRYPOINT ["/muster"]
CMD ["serve", "--log-level", "info"]
