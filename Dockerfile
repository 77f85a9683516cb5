# The maskclip command with everything it needs; runs on the CPU, and on GPUs with --gpus all.
#   docker build -t mmseg_maskclip .
#   docker run --rm -v "$PWD":/work mmseg_maskclip test tiny/maskclip_tinyrn_256x256_tinyworld.py TinyRN --eval mIoU
# data/, pretrain/ and work_dirs/ are those of the mounted folder; shipped configs go by their names.
FROM python:3.11-slim

# PIP_NO_CACHE_DIR keeps the downloads out of the image.
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
COPY . /opt/mmseg_maskclip
RUN bash /opt/mmseg_maskclip/env_install.sh --here

WORKDIR /work
# Text banks that are built on demand are kept with the rest.
ENV MASKCLIP_CACHE=/work/.cache/mmseg_maskclip
ENTRYPOINT ["maskclip"]
CMD ["--help"]
