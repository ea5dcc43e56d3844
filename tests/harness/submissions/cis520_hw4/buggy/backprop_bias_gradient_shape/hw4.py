import numpy as np
import torch
from sklearn.metrics import confusion_matrix, accuracy_score
from torch import nn


def baseline(pool=(2, 2, 0), p=0.5, bn=False):
    """The network of Table 2 as nn.Sequential."""
    sizes = [1, 32, 32, 64]
    net = nn.Sequential()
    for k in range(3):
        net.add_module(f"conv{k + 1}", nn.Conv2d(sizes[k], sizes[k + 1], 5, padding="same"))
        if bn:
            net.add_module(f"bn{k + 1}", nn.BatchNorm2d(sizes[k + 1]))
        net.add_module(f"relu{k + 1}", nn.ReLU())
        net.add_module(f"pool{k + 1}", nn.MaxPool2d(*pool))
    net.add_module("dropout", nn.Dropout(p))
    net.add_module("flatten", nn.Flatten())
    with torch.no_grad():
        features = net(torch.zeros(2, 1, 28, 28)).shape[1]
    net.add_module("fc1", nn.Linear(features, 64))
    if bn:
        net.add_module("bn4", nn.BatchNorm1d(64))
    net.add_module("relu4", nn.ReLU())
    net.add_module("fc2", nn.Linear(64, 10))
    return net


def train(model, device, train_loader, test_loader, optimizer, epochs):
    criterion = nn.CrossEntropyLoss()
    history = {"loss": [], "accuracy": []}
    for epoch in range(epochs):
        model.train(True)
        epoch_loss = []
        for X, y in train_loader:
            optimizer.zero_grad()
            scores = model(X.to(device))
            loss = criterion(scores, y.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            epoch_loss.append(loss.item())
        history["loss"].append(float(np.mean(epoch_loss)))
        history["accuracy"].append(overall_accuracy(model, device, test_loader))
    return history["loss"], history["accuracy"]


def predict(model, device, loader):
    model.train(False)
    truth, guess = [], []
    for X, y in loader:
        with torch.no_grad():
            scores = model(X.to(device)).cpu().numpy()
        guess.append(scores.argmax(axis=1))
        truth.append(y.numpy())
    return np.concatenate(truth), np.concatenate(guess)


def overall_accuracy(model, device, loader):
    return float(accuracy_score(*predict(model, device, loader)))


def class_accuracies(model, device, loader):
    matrix = confusion_matrix(*predict(model, device, loader), labels=range(10))
    with np.errstate(invalid="ignore"):
        return list(np.diag(matrix) / matrix.sum(axis=1))
