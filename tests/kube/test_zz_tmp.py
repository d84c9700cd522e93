import harness, kube_differential as d
from wb import Program
from test_differential import cluster
def test_x(cluster):
    b={d.THEIRS: Program(ours=False).path, d.OURS: harness.WHEREABOUTS}
    for n in (111, *range(5000,5040)):
        r = d.run_session(cluster, 5, n, b)[2]
        if r: print(n, r)
