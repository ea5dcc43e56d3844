#!/usr/bin/env python
# coding: utf-8

# # CIS 520 Homework 4

# In[1]:


import torch
import torch.nn as nn
import torch.nn.functional as F


# In[2]:


# from google.colab import drive
# drive.mount('/content/drive')
# get_ipython().run_line_magic('load_ext', 'tensorboard')


# In[3]:


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        #Begin Your Code
        self.conv1 = nn.Conv2d(in_channels=1, out_channels=32, kernel_size=5, stride=1, padding=2)
        self.conv2 = nn.Conv2d(in_channels=32, out_channels=32, kernel_size=5, stride=1, padding=2)
        self.conv3 = nn.Conv2d(in_channels=32, out_channels=64, kernel_size=5, stride=1, padding=2)
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 10)
        #End Your Code

    def forward(self, x):
        #Begin Your Code
        x = F.max_pool2d(F.relu(self.conv1(x)), kernel_size=4, stride=3, padding=1)
        x = F.max_pool2d(F.relu(self.conv2(x)), kernel_size=4, stride=3, padding=1)
        x = F.max_pool2d(F.relu(self.conv3(x)), kernel_size=4, stride=3, padding=1)
        x = F.dropout(x, p=0.1, training=self.training)
        x = x.view(-1, 64)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.softmax(x, dim=1)
        #End Your Code


# In[4]:


def train(model, device, train_loader, test_loader, optimizer, epochs):
    #Begin Your Code
    train_losses = []
    test_accuracies = []
    for epoch in range(1, epochs + 1):
        model.train()
        sum_loss = 0
        n = 0
        for data, target in train_loader:
            data = data.to(device)
            target = target.to(device)
            probabilities = model(data)
            loss = F.nll_loss(torch.log(probabilities + 1e-12), target)
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            sum_loss += loss.item() * len(target)
            n += len(target)
        train_losses.append(sum_loss / n)
        test_accuracies.append(overall_accuracy(model, device, test_loader))
    return train_losses, test_accuracies
    #End Your Code


# In[5]:


def overall_accuracy(model, device, loader):
    #Begin Your Code
    model.eval()
    right = 0
    n = 0
    for data, target in loader:
        with torch.no_grad():
            _, guess = torch.max(model(data.to(device)), 1)
        right += guess.cpu().eq(target).sum().item()
        n += target.shape[0]
    return right / n
    #End Your Code


def class_accuracies(model, device, loader):
    #Begin Your Code
    model.eval()
    class_correct = list(0. for i in range(10))
    class_total = list(0. for i in range(10))
    with torch.no_grad():
        for data, target in loader:
            _, guess = torch.max(model(data.to(device)), 1)
            c = (guess.cpu() == target)
            for i in range(len(target)):
                label = int(target[i])
                class_correct[label] += c[i].item()
                class_total[label] += 1
    return [class_correct[i] / max(class_total[i], 1) for i in range(10)]
    #End Your Code


# In[6]:


# device = torch.device("cuda:0")
# model = CNN().to(device)
# optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
# losses, accuracies = train(model, device, trainloader, testloader, optimizer, 10)
# print(overall_accuracy(model, device, testloader))
