import torch


class MyOptimizer:
    def __init__(self, parameters, lr):
        self.parameters = list(parameters)
        self.lr = lr

    def zero_grad(self):
        for w in self.parameters:
            w.grad = None

    def step(self):
        with torch.no_grad():
            for i, w in enumerate(self.parameters):
                if w.grad is not None:
                    self.update(i, w, w.grad)


class MySGD(MyOptimizer):
    def update(self, i, w, g):
        w -= self.lr * g


class MyMomentum(MyOptimizer):
    # v' = mu v - eta grad C,  w' = w + v'
    def __init__(self, parameters, lr, mu):
        super().__init__(parameters, lr)
        self.mu = mu
        self.v = [torch.zeros_like(w) for w in self.parameters]

    def update(self, i, w, g):
        self.v[i] = self.mu * self.v[i] - self.lr * g
        w += self.v[i]


class MyAdaGrad(MyOptimizer):
    def __init__(self, parameters, lr, lr_decay, eps):
        super().__init__(parameters, lr)
        self.lr_decay = lr_decay
        self.eps = eps
        self.steps = 0
        self.G = [torch.zeros_like(w) for w in self.parameters]

    def step(self):
        super().step()
        self.steps += 1

    def update(self, i, w, g):
        eta = self.lr / (1 + self.steps * self.lr_decay)
        self.G[i] = self.G[i] + g ** 2
        w -= eta * g / (torch.sqrt(self.G[i]) + self.eps)


class MyAdam(MyOptimizer):
    def __init__(self, parameters, lr, betas, eps):
        super().__init__(parameters, lr)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.t = 0
        self.m = [torch.zeros_like(w) for w in self.parameters]
        self.s = [torch.zeros_like(w) for w in self.parameters]

    def step(self):
        self.t += 1
        super().step()

    def update(self, i, w, g):
        self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
        self.s[i] = self.beta2 * self.s[i] + (1 - self.beta2) * g ** 2
        m_hat = self.m[i] / (1 - self.beta1 ** self.t)
        s_hat = self.s[i] / (1 - self.beta2 ** self.t)
        w -= self.lr * m_hat / (torch.sqrt(s_hat) + self.eps)
