# The image that Gradescope builds by itself from an uploaded zip, for running it elsewhere or uploading it whole.
# The build context is the unpacked zip; docker/build_image.sh does both steps.
ARG BASE=gradescope/autograder-base:ubuntu-22.04
FROM ${BASE}
WORKDIR /autograder
COPY . source/
RUN cp source/run_autograder run_autograder \
    && chmod 0755 run_autograder source/setup.sh \
    && source/setup.sh \
    && mkdir -p submission results
