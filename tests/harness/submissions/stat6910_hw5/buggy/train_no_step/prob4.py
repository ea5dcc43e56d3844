# prob4: no hooks, the layers are simply called one after the other
import numpy as np
import torch


def first_conv_outputs(model, images):
    conv1 = model.features[0]
    with torch.no_grad():
        out = conv1(images)
    return out


def final_layer_outputs(model, images):
    model.eval()
    with torch.no_grad():
        x = model.features(images)
        x = model.avgpool(x)
        x = torch.flatten(x, 1)
        x = model.classifier(x)
    return x


def softmax(z):
    z = z - np.max(z)
    e = np.exp(z)
    return e / np.sum(e)


def top5(model, image, class_names):
    scores = final_layer_outputs(model, image.reshape(1, *image.shape)).numpy()[0]
    probs = softmax(scores)
    order = np.argsort(probs)[::-1]
    best = []
    for k in range(5):
        print('%d...%s: prob=%s' % (k + 1, class_names[order[k]], probs[order[k]]))
        best.append((class_names[order[k]], float(probs[order[k]])))
    return best


def fit_to_input(image):
    for axis in (0, 1):
        extra = image.shape[axis] - 227
        if extra > 0:
            start = extra // 2
            image = np.take(image, np.arange(start, start + 227), axis=axis)
        else:
            before = (-extra) // 2
            after = -extra - before
            widths = [(0, 0), (0, 0), (0, 0)]
            widths[axis] = (before, after)
            image = np.pad(image, widths)
    return image
