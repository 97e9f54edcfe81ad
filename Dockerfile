# A container of one file: docker build -t cooee . && docker run --rm -p 5007:5007 -p 5090:5090 cooee
FROM rust:1.95-slim AS build
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /cooee
COPY . .
RUN target="$(uname -m)-unknown-linux-musl" && \
    cargo build --locked --release --target "$target" && \
    cp "target/$target/release/cooee" /cooee.static

FROM scratch
COPY --from=build /cooee.static /cooee
# By number: there is no /etc/passwd.
USER 65532:65532
EXPOSE 1025/tcp 5000/tcp 5001/tcp 5007/tcp 5007/udp 5090/tcp 8091/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s \
    CMD ["/cooee", "health", "127.0.0.1:5090"]
ENTRYPOINT ["/cooee"]
# Within a container 127.0.0.1 is nobody else's.
CMD ["serve", "--host", "0.0.0.0", "--admin", "0.0.0.0:5090"]
