# syntax=docker/dockerfile:1
# Build: docker build --tag microbench .
# Run:   docker run --rm --gpus all --volume microbench-cache:/cache --volume "$PWD":/workspace microbench \
#          --model open_clip --model_args model=ViT-B-32,pretrained=laion2b_s34b_b79k --tasks microbench_coarse \
#          --output_path results --log_samples
# On Linux, so that files belong to you:
#        mkdir -p cache
#        docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$PWD/cache":/cache \
#          --volume "$PWD":/workspace microbench \
#          --model open_clip --model_args model=ViT-B-32,pretrained=laion2b_s34b_b79k --tasks microbench_coarse \
#          --output_path results --log_samples
FROM python:3.11.13-slim-bookworm

ENV HF_HOME=/cache/huggingface \
    HOME=/home/microbench \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    TORCH_HOME=/cache/torch \
    XDG_CACHE_HOME=/cache

# Any user may write to the home, the cache and the working folder, as with --user.
RUN useradd --uid 1000 --create-home microbench \
    && mkdir /cache /workspace \
    && chown microbench:microbench /cache /workspace \
    && chmod 1777 /cache /workspace /home/microbench

COPY . /src
RUN pip install /src && rm -rf /src

USER microbench
WORKDIR /workspace
# Downloaded data and weights, and the package's own cache.
VOLUME /cache
ENTRYPOINT ["lmms_eval"]
CMD ["--help"]
