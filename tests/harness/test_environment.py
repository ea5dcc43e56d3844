"""The surroundings of PyTorch submissions: what they import and ask for is there, or harmlessly stood in for."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from autograder.data import Pictures, write_pictures
from autograder.font_lists import copy_font_lists
from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import StudentError
from autograder.sandbox.session import Session, Setting

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
TOY = """
id = "toy"
title = "A toy"
course = "Toys"
points = 1
main = "toy.py"
preloads = ["numpy", "torch", "autograder.sandbox.surroundings.environment"]
[files]
required = ["toy.py"]
[[items]]
id = "1"
title = "One"
points = 1
handout = "page 1"
"""
PRELOADS = ("numpy", "torch", "autograder.sandbox.surroundings.environment")
GPU_EXPRESSIONS = (
    "torch.ones(2).cuda() * 1",
    "torch.ones(2).to('cuda')",
    "torch.ones(2).to(device=torch.device('cuda:0'), dtype=torch.float32)",
    "torch.ones(2).to(0)",
    "torch.ones(2, device='cuda')",
    "torch.ones_like(torch.zeros(2), device='cuda')",
    "torch.zeros(2).new_ones(2, device='cuda')",
    "torch.tensor([1.0, 1.0], device='mps')",
    "torch.nn.Linear(2, 2).cuda().weight.detach()[0] * 0 + 1",
    "torch.nn.Linear(2, 2, device='cuda').to('cuda').weight.detach()[0] * 0 + 1",
    "torch.cuda.FloatTensor([1, 1])",
    "torch.ones(2).type('torch.cuda.FloatTensor').pin_memory()",
)
PATIENT = Policy(import_seconds=60, statement_seconds=20, memory_mb=600)


def pictures(count, value):
    """`count` training and 2 test pictures of 28x28; labels count up."""
    images = np.full((count, 28, 28), value, np.uint8)
    labels = np.arange(count, dtype=np.uint8)
    return Pictures(images, labels, images[:2], labels[:2])


@pytest.fixture
def open_session(tmp_path):
    """Sessions on a module's text, with MNIST of 6 pictures and Fashion-MNIST of 4 in the data folder."""
    opened = []

    def start(text, policy=PATIENT, forks=sys.platform == "linux", data=("mnist", "fashion_mnist"), font_lists=None):
        workspace = tmp_path / f"run{len(opened)}"
        for path in (workspace, workspace / "submission", workspace / "data"):
            path.mkdir()
            path.chmod(0o755)
        for path in (tmp_path, *tmp_path.parents[:2]):
            path.chmod(path.stat().st_mode | 0o011)
        for name, content in (("mnist", pictures(6, 51)), ("fashion_mnist", pictures(4, 255))):
            if name in data:
                (workspace / "data" / name).mkdir(mode=0o755)
                write_pictures(content, workspace / "data" / name)
        (workspace / "submission" / "student.py").write_text(textwrap.dedent(text))
        options = {"policy": policy, "forks": forks, "preloads": PRELOADS, "font_lists": font_lists}
        session = Session(Setting(workspace / "submission", workspace, "student.py", workspace / "data", **options))
        opened.append(session)
        return session.__enter__()

    yield start
    for session in opened:
        session.__exit__(None, None, None)


@pytest.fixture
def run(open_session):
    """The value of the module's `answer()`, with the remarks of its loading and what the call printed."""

    def start(text, **options):
        session = open_session(text, **options)
        with session.check(60) as check:
            value = check.submission.answer()
            return value, [text for _, _, text in session.remarks], check.printed_all()

    return start


class TestTorchvision:
    def test_the_usual_imports_work_and_a_script_without_them_pays_nothing(self, run):
        text = """
            import sys
            def answer(): return [name for name in sys.modules if name.startswith(("torchvision", "sympy"))]
        """
        assert run(text) == ([], [], "")
        text = """
            import torchvision
            import torchvision.transforms as T
            from torchvision import datasets, transforms, utils, models
            from torchvision.utils import make_grid, save_image
            import sys
            def answer(): return "sympy" in sys.modules
        """
        assert run(text) == (False, [], "")

    def test_mnist_is_the_graders_whatever_the_root(self, run):
        text = r"""
            import pathlib
            from torchvision import datasets, transforms
            roots = "data", "/content/drive/My Drive/data", "C:\\Users\\me", pathlib.Path.home()
            trains = [datasets.MNIST(r, train=True, download=True, transform=transforms.ToTensor()) for r in roots]
            train, test = trains[-1], datasets.MNIST(root="~", train=False)
            def answer():
                image, label = train[3]
                return [len(t) for t in trains], len(test), image, label, train.data, train.targets, test[1][0].size
        """
        (train, test, image, label, data, targets, size), remarks, _ = run(text)
        assert (train, test, label, size, remarks) == ([6] * 4, 2, 3, (28, 28), [])
        assert image.shape == (1, 28, 28)
        assert float(image.max()) == pytest.approx(0.2)
        assert data.shape == (6, 28, 28)
        assert data.dtype == torch.uint8
        assert targets.tolist() == [0, 1, 2, 3, 4, 5]
        assert targets.dtype == torch.int64

    def test_fashion_mnist_is_the_other_one_and_a_derived_class_reads_its_parents(self, run):
        text = """
            from torchvision.datasets import FashionMNIST
            class Mine(FashionMNIST):
                pass
            def answer(): return len(Mine("x", train=True)), Mine("x").raw_folder
        """
        assert run(text)[0] == (4, "x/Mine/raw")

    @pytest.mark.parametrize("call", ["KMNIST('.', download=True)", "CIFAR10('.', download=True)", "FashionMNIST('.')"])
    def test_data_that_the_grader_does_not_have_is_an_error_that_says_so(self, run, call):
        text = f"from torchvision import datasets\ndef answer(): return datasets.{call}"
        with pytest.raises(StudentError, match="no network, and no copy of"):
            run(text, data=("mnist",))

    def test_a_loader_with_processes_and_pinned_memory_reads_in_this_one(self, run):
        text = """
            import torch
            from torchvision import datasets, transforms
            def answer():
                both = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
                data = datasets.MNIST('.', transform=both)
                loader = torch.utils.data.DataLoader(
                    data, batch_size=4, shuffle=True, num_workers=4, pin_memory=True, persistent_workers=True,
                    prefetch_factor=2)
                return [(x, y) for x, y in loader], loader.num_workers
        """
        (batches, workers), _, _ = run(text)
        assert [tuple(x.shape) for x, _ in batches] == [(4, 1, 28, 28), (2, 1, 28, 28)]
        assert workers == 0
        assert sorted(label for _, y in batches for label in y.tolist()) == [0, 1, 2, 3, 4, 5]

    def test_grids_and_saved_images_work_also_for_a_folder_that_is_not_there(self, run):
        text = """
            import os, torch
            from torchvision.utils import make_grid, save_image
            def answer():
                images = torch.rand(8, 1, 28, 28)
                save_image(images, "grid.png", nrow=4)
                save_image(images, "results/epoch/one.png")
                save_image(images, fp="/content/drive/two.png")
                torch.save(images, "models/weights.pt")
                return make_grid(images, nrow=4).shape, sorted(os.listdir("."))
        """
        (shape, files), _, printed = run(text)
        assert tuple(shape) == (3, 62, 122)
        assert files == ["grid.png", "one.png", "two.png", "weights.pt"]
        assert "saved as one.png" in printed
        assert printed.count("[autograder]") == 1

    def test_ready_made_networks_can_be_built_but_not_downloaded(self, run):
        text = """
            import torchvision.models as models
            def answer():
                network = models.alexnet(num_classes=3)
                try:
                    models.alexnet(weights="DEFAULT")
                except RuntimeError as error:
                    return len(list(network.parameters())), str(error)
        """
        (count, message), _, _ = run(text)
        assert count == 16
        assert "no network" in message


class TestOnlyTheCpu:
    def test_what_asks_for_a_gpu_runs_on_the_cpu(self, run):
        text = f"import torch\ndef answer(): return [eval(text) for text in {GPU_EXPRESSIONS!r}]"
        values, _, _ = run(text)
        assert {text: (value.tolist(), value.dtype) for text, value in zip(GPU_EXPRESSIONS, values, strict=True)} == (
            dict.fromkeys(GPU_EXPRESSIONS, ([1.0, 1.0], torch.float32))
        )

    def test_it_is_said_once_with_the_line_where_the_submission_is_loaded(self, run):
        text = """
            import torch
            device = torch.device("cuda")
            model = torch.nn.Linear(2, 1).to(device)
            batch = torch.ones(3, 2).cuda()
            def answer(): return model(batch.to(device)).shape
        """
        shape, remarks, printed = run(text)
        assert tuple(shape) == (3, 1)
        assert len(remarks) == 1
        assert remarks[0].startswith("line 4: the grader has no GPU")
        assert printed == ""

    def test_inside_a_check_it_is_printed(self, run):
        _, remarks, printed = run("import torch\ndef answer():\n    torch.ones(1).cuda()\n    torch.ones(1).cuda()")
        assert remarks == []
        assert printed == (
            "[autograder] student.py, line 3: the grader has no GPU, so what asks for one runs on the CPU; "
            "the results are the same.\n"
        )

    def test_a_script_that_asks_first_hears_nothing(self, run):
        text = """
            import torch
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            model = torch.nn.Linear(2, 1).to(device)
            def answer(): return str(device)
        """
        assert run(text) == ("cpu", [], "")

    def test_mixed_precision_and_parallel_networks_work_as_on_the_cpu(self, run):
        text = """
            import torch, warnings
            warnings.simplefilter("ignore")
            def answer():
                model = torch.compile(torch.nn.DataParallel(torch.nn.Linear(2, 1)).cuda())
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                scaler = torch.cuda.amp.GradScaler()
                before = [p.detach().clone() for p in model.parameters()]
                with torch.cuda.amp.autocast():
                    loss = model(torch.ones(4, 2).cuda()).sum()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                torch.cuda.synchronize()
                return [bool((a != b).all()) for a, b in zip(before, model.parameters())]
        """
        assert run(text)[0] == [True, True]

    def test_a_network_that_is_to_be_compiled_stays_itself(self, run):
        text = """
            import torch
            @torch.jit.script
            def double(x):
                return x + torch.zeros(2, device="cpu") + x
            @torch.compile(mode="max-autotune")
            def triple(x):
                return 3 * x
            def answer():
                layer = torch.nn.Linear(2, 2)
                layer.compile()
                traced = torch.jit.trace(layer, torch.ones(1, 2))
                return double(torch.ones(2)), triple(torch.ones(2)), bool((traced(torch.ones(1, 2))
                       == layer(torch.ones(1, 2))).all())
        """
        (double, triple, same), remarks, printed = run(text)
        assert (double.tolist(), triple.tolist(), same) == ([2, 2], [3, 3], True)
        assert len(remarks) == 1
        assert printed == ""

    def test_a_default_device_is_the_cpu(self, run):
        text = """
            import torch
            def answer():
                with torch.device("cuda"):
                    inside = torch.nn.Linear(2, 2).weight.device.type
                torch.set_default_device("cuda:0")
                torch.set_default_tensor_type("torch.cuda.FloatTensor")
                return inside, torch.ones(2).device.type
        """
        assert run(text)[0] == ("cpu", "cpu")

    def test_a_checkpoint_goes_to_the_cpu_wherever_it_is_sent(self, run):
        text = """
            import torch
            def answer():
                torch.save({"w": torch.ones(2)}, "a.pt")
                places = (None, "cuda", torch.device("cuda:1"), lambda storage, place: storage)
                return [torch.load("a.pt", map_location=place)["w"].device.type for place in places]
        """
        assert run(text)[0] == ["cpu"] * 4

    def test_an_optimiser_does_not_load_the_compiler_and_the_compiler_is_there_when_asked_for(self, run):
        text = """
            import inspect, sys, torch
            def answer():
                model = torch.nn.Linear(2, 1)
                optimizer = torch.optim.Adam(model.parameters())
                optimizer.zero_grad()
                model(torch.ones(1, 2)).sum().backward()
                optimizer.step()
                inspect.getmodule(inspect.currentframe())  # looks at every module
                loaded = "sympy" in sys.modules
                from torch._dynamo.utils import counters
                import torch._dynamo as compiler
                return loaded, compiler.config.verbose
        """
        assert run(text)[0] == (False, False)

    def test_ready_made_networks_do_not_load_the_compiler(self, run):
        text = """
            import sys
            from torchvision.models import alexnet, get_model
            from torchvision.ops import MLP, roi_align
            from torchvision.models.segmentation import fcn_resnet50
            def answer():
                get_model("resnet18")
                kinds = [type(MLP(2, [1])).__name__, type(fcn_resnet50(weights_backbone=None)).__name__]
                return kinds, "sympy" in sys.modules
        """
        assert run(text)[0] == (["MLP", "FCN"], False)

    def test_training_at_import_leaves_checks_able_to_train(self, run):
        text = """
            import torch
            model = torch.nn.Linear(2, 1)
            optimizer = torch.optim.Adam(model.parameters())
            def answer():
                optimizer.zero_grad()
                loss = model(torch.ones(8, 2)).pow(2).sum()
                loss.backward()
                optimizer.step()
                return loss.item()
            first = answer()
        """
        value, remarks, _ = run(text)
        assert value > 0
        assert remarks == []


LOOKS = (
    "layer.weight",
    "layer.state_dict()['weight']",
    "next(layer.parameters())",
    "copy.deepcopy(layer).weight",
    "layer.requires_grad_(False)._parameters['weight']",
    "torch.nn.Sequential(layer).half().float()[0].weight",
    "layer(torch.eye(4096)[:, :]).detach().sub(layer.bias).T",
)


class TestLargeLayers:
    def test_they_cost_no_memory_until_somebody_looks(self, run):
        text = """
            import resource
            from torch import nn
            def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            def answer():
                before = used()
                layers = nn.Sequential(nn.Flatten(), nn.Linear(4096, 4096))
                built = used()
                layers[1].weight
                return built - before, used() - before
        """
        (built, looked_at), _, _ = run(text)
        assert built < 30 < 60 < looked_at

    @pytest.mark.parametrize("look", LOOKS)
    def test_whoever_looks_finds_the_usual_numbers_and_chance_undisturbed(self, run, look):
        text = f"""
            import copy, torch
            def answer():
                torch.manual_seed(1)
                weight = torch.nn.init.kaiming_uniform_(torch.empty(4096, 4096), a=5**0.5)
                torch.manual_seed(1)
                layer = torch.nn.Linear(4096, 4096)
                state = torch.get_rng_state()
                seen = {look}
                return torch.allclose(seen, weight, atol=1e-3), torch.equal(state, torch.get_rng_state())
        """
        assert run(text)[0] == (True, True)

    def test_weights_that_are_put_there_stay(self, run):
        text = """
            import torch
            def answer():
                layer = torch.nn.Linear(4096, 4096, bias=False)
                layer._parameters["weight"] = torch.nn.Parameter(torch.ones(4096, 4096))
                loaded = torch.nn.Linear(4096, 4096, bias=False)
                loaded.load_state_dict(layer.state_dict())
                return float(layer.weight.sum()), float(loaded(torch.ones(1, 4096)).sum())
        """
        assert run(text)[0] == (2.0**24, 2.0**24)


class TestStandIns:
    def test_loops_run_through_progress_bars_silently(self, run):
        text = """
            import tqdm as whole
            from tqdm import tqdm, trange
            from tqdm.auto import tqdm as auto
            from tqdm.notebook import tqdm as notebook
            def answer():
                seen = [x for x in tqdm(range(2), desc="epoch")] + [x for x in trange(2)] + list(auto([7]))
                with notebook(total=3) as bar:
                    bar.set_postfix(loss=1)
                    bar.update(3)
                for i, x in enumerate(whole.tqdm([5, 6], total=2)):
                    seen.append(x)
                return seen, len(tqdm([1, 2])), bar.n
        """
        assert run(text) == (([0, 1, 0, 1, 7, 5, 6], 2, 3), [], "")

    def test_writers_notebooks_and_colab_are_there_and_do_nothing(self, run):
        text = """
            from torch.utils.tensorboard import SummaryWriter
            from tensorboardX import SummaryWriter as Other
            from torchsummary import summary
            from google.colab import drive, files
            from IPython.display import display, clear_output
            import IPython, os, wandb, seaborn as sns
            import google.colab.patches
            drive.mount("/content/drive")
            class Mine(SummaryWriter):
                pass
            def answer():
                with SummaryWriter("runs/one") as writer:
                    writer.add_scalar("loss", 1.0, 2)
                Mine("runs/two", flush_secs=1).close()
                Other().add_image("x", None)
                for name in files.upload().keys():
                    raise ValueError(name)
                sns.heatmap([[1]], annot=True).set(xlabel="x")
                display(summary(None, (1, 28, 28)))
                return os.listdir(".")
        """
        assert run(text) == ([], [], "")

    def test_plots_are_drawn_beside_a_notebooks_own_modules(self, run):
        text = """
            import IPython, os
            import matplotlib.pyplot as plt
            def answer():
                plt.subplots(2, 2)
                plt.savefig("here.png")
                return os.listdir(".")
        """
        assert run(text) == (["here.png"], [], "")

    def test_fonts_are_not_listed_again_where_the_grader_has_done_it(self, run, tmp_path, monkeypatch):
        fonts = pytest.importorskip("matplotlib.font_manager")
        cache = tmp_path / "cache"
        cache.mkdir()
        marked = copy.copy(fonts.fontManager)
        marked.ttflist = [dataclasses.replace(fonts.fontManager.ttflist[0], name="Marked"), *fonts.fontManager.ttflist]
        fonts.json_dump(marked, cache / f"fontlist-v{fonts.FontManager.__version__}.json")
        monkeypatch.setenv("MPLCONFIGDIR", str(cache))
        text = """
            import matplotlib.pyplot
            from matplotlib.font_manager import fontManager
            def answer(): return [font.name for font in fontManager.ttflist][:1]
        """
        value, remarks, printed = run(text, font_lists=copy_font_lists(tmp_path / "fonts"))
        assert (value, remarks, printed) == (["Marked"], [], "")

    def test_without_a_list_of_fonts_there_is_none_to_copy(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "nowhere"))
        assert list(copy_font_lists(tmp_path / "fonts").iterdir()) == []

    def test_the_copied_lists_can_be_read_by_the_worker_whatever_the_umask(self, tmp_path, monkeypatch):
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "fontlist-v1.json").write_text("{}")
        monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "cache"))
        before = os.umask(0o077)
        try:
            copied = copy_font_lists(tmp_path / "fonts")
        finally:
            os.umask(before)
        assert copied.stat().st_mode & 0o777 == 0o755
        assert (copied / "fontlist-v1.json").stat().st_mode & 0o777 == 0o644

    def test_libraries_that_compute_are_really_there(self, run):
        text = """
            import numpy as np
            import matplotlib
            matplotlib.use("TkAgg")
            import matplotlib.pyplot as plt
            from sklearn.metrics import confusion_matrix
            def answer():
                plt.plot([1, 2])
                plt.show()
                plt.savefig("no/such/folder/curve.png")
                return confusion_matrix([0, 1, 1], [0, 1, 0]).tolist()
        """
        value, remarks, printed = run(text)
        assert value == [[1, 0], [1, 1]]
        assert remarks == []
        assert printed.count("\n") == 1
        assert "saved as curve.png" in printed

    def test_nobody_answers_input(self, run):
        assert run("name = input('Your name? ')\ndef answer(): return name + input()")[0] == ""

    def test_a_library_that_nobody_can_make_up_stays_missing(self, run):
        with pytest.raises(StudentError, match="einops is not available"):
            run("import einops\ndef answer(): return einops.rearrange(1, 'a -> a')")


def test_a_worker_that_serves_one_check_has_the_same_surroundings(run):
    text = """
        import torch
        from torchvision import datasets
        def answer(): return len(datasets.MNIST("/nowhere", download=True)), torch.ones(1).cuda().device.type
    """
    assert run(text, forks=False)[0] == (6, "cpu")


class TestConfinement:
    def test_torch_works_under_every_protection_that_this_machine_has(self, open_session):
        text = """
            import torch
            def answer():
                torch.set_num_threads(3)
                image = torch.ones(8, 16, 64, 64, requires_grad=True)
                torch.nn.functional.conv2d(image, torch.ones(32, 16, 3, 3)).sum().backward()
                return float(image.grad.sum()), torch.get_num_threads()
            def share():
                torch.ones(4).share_memory_()
            def process():
                import torch.multiprocessing as processes
                processes.Process(target=print).start()
        """
        with open_session(text).check(60) as check:
            total, threads = check.submission.answer()
            assert total == 8 * 32 * 16 * 9 * 62 * 62
            assert threads == 3
            for forbidden in ("share", "process"):
                with pytest.raises(StudentError):
                    getattr(check.submission, forbidden)()
            assert check.submission.answer()[0] == total

    def test_a_tensor_beyond_the_memory_limit_is_an_error_and_not_the_end(self, run):
        text = """
            import torch
            def answer():
                try:
                    torch.ones(1 << 31)
                except RuntimeError as error:
                    return str(error)
        """
        message, _, _ = run(text, policy=Policy(import_seconds=60, memory_mb=400))
        assert "memory" in message

    def test_one_check_trains_within_the_memory_that_the_assignments_allow(self, run):
        text = """
            import torch
            import torchvision, matplotlib.pyplot, sklearn.metrics
            def answer():
                model = torch.nn.Sequential(
                    torch.nn.Conv2d(1, 40, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
                    torch.nn.Conv2d(40, 80, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
                    torch.nn.Flatten(), torch.nn.Linear(1280, 500), torch.nn.Linear(500, 10))
                optimizer = torch.optim.Adam(model.parameters())
                loss = model(torch.ones(128, 1, 28, 28)).pow(2).mean()
                loss.backward()
                optimizer.step()
                return loss.item()
        """
        assert run(text, policy=Policy(import_seconds=60, memory_mb=400))[0] > 0


def test_the_judging_process_too_keeps_torch_on_one_thread_and_without_its_compiler(suite_of_torch):
    graded = suite_of_torch(
        """
        import sys, torch
        def test_process(submission):
            \"\"\"One\"\"\"
            torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
            if "sympy" in sys.modules or torch.get_num_threads() != 1:
                fail("the judging process holds the compiler, or several threads")
        """
    )
    assert graded == (0, 1.0)


@pytest.fixture
def suite_of_torch(tmp_path):
    """Grades one check of a toy PyTorch homework in a process of its own; the exit code and the score."""

    def grade(check):
        for folder in ("tests/toy/public", "tests/toy/hidden", "reference/toy"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "tests/toy/assignment.toml").write_text(TOY)
        decorated = textwrap.dedent(check).replace(
            "def test", '@number("1.1")\n@weight(1)\n@visibility("visible")\ndef test', 1
        )
        header = (
            "from gradescope_utils.autograder_utils.decorators import *\nfrom autograder.checks.compare import fail\n"
        )
        (tmp_path / "tests/toy/public/test_toy.py").write_text(header + decorated)
        (tmp_path / "reference/toy/toy.py").write_text("x = 1\n")
        command = [sys.executable, "-m", "autograder", "grade", str(tmp_path / "reference/toy"), "--results", "r.json"]
        environment = {**os.environ, "AUTOGRADER_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        document = json.loads((tmp_path / "r.json").read_text())
        return done.returncode, sum(test["score"] for test in document["tests"])

    return grade
