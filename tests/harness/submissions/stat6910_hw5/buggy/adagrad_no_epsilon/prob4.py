#==============================================================================
# STAT 6910, Homework 5, PROBLEM 4
#==============================================================================
import os
import numpy as np
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from PIL import Image
import skimage.transform

os.chdir(r'C:\Users\jordan\Documents\__USU\Stat 6910\hw5\AlexNet')

#==== PROBLEM 4.2 =============================================================
def first_conv_outputs(model, images):
    model.eval()
    with torch.no_grad():
        for layer in model.modules():
            if type(layer) == nn.Conv2d:
                return layer(images)

#==== PROBLEM 4.3 =============================================================
def final_layer_outputs(model, images):
    model.eval()
    return model(images).detach()

#==== PROBLEM 4.4 =============================================================
def top5(model, image, class_names):
    model.eval()
    out = model(image.unsqueeze(0)).detach().squeeze()
    prob = torch.exp(out - out.max())
    prob = prob / prob.sum()
    prob, idx = torch.sort(prob, descending=True)
    return [(class_names[int(idx[i])], float(prob[i])) for i in range(5)]

def fit_to_input(image):
    # crop: keep the middle; zero pad: the picture stays in the middle
    h = image.shape[0]
    w = image.shape[1]
    if h >= 227:
        cut = (h - 227) // 2
        image = image[cut:cut + 227, :, :]
    else:
        up = (227 - h) // 2
        down = 227 - h - up
        image = np.concatenate([np.zeros((up, w, 3), image.dtype), image, np.zeros((down, w, 3), image.dtype)], axis=0)
    if w >= 227:
        cut = (w - 227) // 2
        image = image[:, cut:cut + 227, :]
    else:
        le = (227 - w) // 2
        ri = 227 - w - le
        image = np.concatenate([np.zeros((227, le, 3), image.dtype), image, np.zeros((227, ri, 3), image.dtype)], axis=1)
    return image

#==============================================================================
# run it
#==============================================================================
from torchvision.models import alexnet
model = alexnet()
model.load_state_dict(torch.load('alexnet_weights.pth'))
names = [line.strip() for line in open('classes.txt')]

dog = np.array(Image.open('dog.png'))[:, :, :3]
plt.imshow(dog)
plt.show()
x = torch.tensor(fit_to_input(dog)).permute(2, 0, 1).float() / 255
conv1 = first_conv_outputs(model, x.unsqueeze(0))
print(conv1.shape)
plt.imshow(conv1[0, 57], cmap='gray')
plt.show()
for i, (name, p) in enumerate(top5(model, x, names)):
    print(str(i + 1) + '...' + name + ': prob=' + str(p))
