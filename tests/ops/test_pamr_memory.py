"""What PAMR needs beside the scores, in a process of its own."""

import subprocess
import sys
import textwrap


def test_memory_does_not_grow_with_neighbours_times_queries():
    """Twenty queries at 512 x 683: a map per query and neighbour would be 430 MiB."""
    code = textwrap.dedent('''
        import resource, torch
        from mmseg_maskclip.ops import pamr

        def highest():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        scores, picture = torch.rand(20, 512, 683), torch.rand(3, 512, 683)
        pamr(scores[:, :9, :9].contiguous(), picture[:, :9, :9], 1)
        before = highest()
        pamr(scores, picture, 1)
        print(highest() - before)
    ''')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 90
