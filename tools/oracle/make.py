"""Writes every fixture anew: `python3 tools/oracle/make.py`."""
import batch_norm
import cnn
import convolution
import cross_entropy
import methods
import models
import optimizers
import pooling
import preact_resnet18
import regularizers
import resnets
from fixture import PACKAGES

if __name__ == "__main__":
    for script in (convolution, pooling, batch_norm, cross_entropy, optimizers, cnn, regularizers, methods, preact_resnet18, resnets):
        script.make()
    # The sizes the tests assert, counted here from the same shapes the fixtures use.
    sizes = [models.count(shapes) for shapes in (models.preact_resnet18_shapes(64), models.cnn_shapes(4))]
    print("parameters: PreAct ResNet-18 {:,}, CNN {:,}".format(*sizes))
    total = sum(path.stat().st_size for path in PACKAGES.glob("*/test/fixtures/*.safetensors"))
    print(f"total: {total:,} bytes")
