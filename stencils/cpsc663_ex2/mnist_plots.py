"""Given code: rows of pictures, and a plot of two-dimensional codes, drawn into files."""

import matplotlib

matplotlib.use("Agg")  # draws into a file, so that it also works where there is no screen
import matplotlib.pyplot as plt


def save_rows(rows, titles, path):
    """Draw rows of pictures above each other, such as originals and their reconstructions.

    rows: tensors (N, 1, H, W) with values between 0 and 1, all with the same N.
    titles: one text per row.
    path: the image file to write.
    """
    columns = rows[0].shape[0]
    figure, panels = plt.subplots(len(rows), columns, figsize=(columns, 1.2 * len(rows)), squeeze=False)
    for line, pictures, title in zip(panels, rows, titles, strict=True):
        for axes, picture in zip(line, pictures.detach().cpu().numpy(), strict=True):
            axes.imshow(picture[0], cmap="gray", vmin=0, vmax=1)
            axes.axis("off")
        line[0].set_title(title, loc="left", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def save_embedding(codes, labels, path, title):
    """Draw two-dimensional codes as points, with a colour for each label.

    codes: tensor (N, 2); labels: tensor (N,) of integers 0 .. 9.
    path: the image file to write; title: what stands above the plot.
    """
    figure, axes = plt.subplots(figsize=(7, 6))
    codes = codes.detach().cpu().numpy()
    points = axes.scatter(codes[:, 0], codes[:, 1], c=labels.cpu().numpy(), cmap="tab10", vmin=-0.5, vmax=9.5, s=8)
    figure.colorbar(points, ticks=range(10), label="label")
    axes.set(title=title, xlabel="first code", ylabel="second code")
    figure.savefig(path)
    plt.close(figure)
