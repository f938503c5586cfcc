# -*- coding: utf-8 -*-
"""Tests of the connector against a gateway that runs: `go test ./sdk/python` starts one and says here where it is."""
import ast
import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

import sidegate
from sidegate import SidecarHelper, Sidegate, SidegateError, SidegateTimeout

HERE = os.path.dirname(os.path.abspath(__file__))
GATEWAY = json.loads(os.environ['SIDEGATE_TEST'])  # host, port, secret, socket, client, clientSecret, callback: a free port, scripts: a directory


def script(name):
    return os.path.join(GATEWAY['scripts'], name)


def func(**more):
    return Sidegate(dict({'host': GATEWAY['host'], 'port': GATEWAY['port'], 'secretKey': GATEWAY['secret']}, **more))


def native(**more):
    return Sidegate(dict({'host': GATEWAY['host'], 'port': GATEWAY['port'], 'client': GATEWAY['client'], 'clientSecret': GATEWAY['clientSecret']}, **more))


def local():
    return Sidegate({'host': 'unix:' + GATEWAY['socket']})


class TestAsFunc(unittest.TestCase):
    """What scripts of Func do today."""

    def test_shell(self):
        for gateway in (func(), native(), local()):
            status, answer = gateway.shell(script('greet'), workdir='/tmp', envs={'APP_GREETING': 'hello'})
            self.assertEqual((status, answer['ok'], answer['message']), (200, True, ''))
            data = answer['data']
            self.assertEqual(data['stdout'], 'hello 中文')
            self.assertIn('/nowhere', data['stderr'])
            self.assertEqual((data['status'], data['exit_code']), ('exited', 2))

    def test_variables(self):
        for envs in ({'APP_A': 'x=y', 'APP_B': ''}, ['APP_A=x=y', 'APP_B='], ('APP_A=x=y', 'APP_B=')):
            self.assertEqual(func().shell(script('show'), envs=envs)[1]['data']['stdout'], '<x=y><>')
        for envs, why in ((['A'], 'KEY=VALUE'), ({'1A': 'x'}, 'no name'), (['=x'], 'no name')):
            with self.assertRaisesRegex(ValueError, why):
                func().shell('true', envs=envs)

    def test_made_as_func_makes_it(self):
        class Logger(object):
            pass

        config = {'host': GATEWAY['host'], 'port': str(GATEWAY['port']), 'secretKey': GATEWAY['secret']}
        for gateway in (SidecarHelper(Logger(), config, timeout=5), SidecarHelper(Logger(), config=config), SidecarHelper(None, config)):
            self.assertIsNone(gateway.check())
            self.assertEqual(gateway.call('POST /shell', body={'command': 'true'})[0], 200)
            self.assertNotIn(GATEWAY['secret'], repr(gateway) + repr(vars(gateway).keys()))

    def test_call(self):
        self.assertEqual(func().call('post', '/shell', body='{"command":"printf \\/"}')[1]['data']['stdout'], '/')

    def test_denied(self):
        for gateway in (func(), native(), local()):
            with self.assertRaises(SidegateError) as caught:
                gateway.shell('sudo id')
            e = caught.exception
            self.assertEqual((e.status, e.reason, e.args[0]), (403, 'denied', 403))
            self.assertTrue(e.reasons and e.decision_id and e.message and e.args[1])
            self.assertIn('403 denied: ', str(e))

    def test_wrong_secret(self):
        for gateway in (func(secretKey='wrong'), native(clientSecret='wrong'), native(client='nobody')):
            with self.assertRaises(SidegateError) as caught:
                gateway.check()
            self.assertEqual(caught.exception.status, 401)
            self.assertNotIn('wrong', str(caught.exception))

    def test_timeout(self):
        with self.assertRaises(SidegateTimeout):
            func().shell('sleep 3', timeout=0.3)
        with self.assertRaises(SidegateTimeout) as caught:
            native().shell('sleep 3', timeout=1.5)
        job = caught.exception.job_id
        self.assertIn(native().job(job)['status'], ('accepted', 'running'))
        native().cancel(job)

    def test_nobody_there(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            with self.assertRaisesRegex(ConnectionRefusedError, "'127.0.0.1:{}'".format(s.getsockname()[1])):
                func(port=s.getsockname()[1]).check()
        with self.assertRaisesRegex(FileNotFoundError, "'unix:/nowhere/sidegate.sock'"):
            Sidegate({'host': 'unix:/nowhere/sidegate.sock'}).check()

    def test_configuration(self):
        for config, why in (
                ({'secret': 'x'}, 'keys that mean nothing: secret'),
                ({'protocol': 'ftp'}, 'http or https'),
                ({'client': 'x'}, 'belong together'),
        ):
            with self.assertRaisesRegex(ValueError, why):
                Sidegate(config)
        with self.assertRaisesRegex(TypeError, 'unexpected arguments: tiemout'):
            Sidegate({}, tiemout=3)
        with self.assertRaisesRegex(ValueError, 'GET /v1/jobs/x needs client and clientSecret'):
            func().job('x')
        with self.assertRaisesRegex(ValueError, 'POST /v1/decisions needs secretKey, or client and clientSecret, .*, in the configuration'):
            func(secretKey=None).check()
        with self.assertRaisesRegex(ValueError, 'callback_url'):
            func().shell('true', callback_url='ftp://x')


class TestJobs(unittest.TestCase):
    """What Func's own connector has not."""

    def gateways(self):
        return native(), local()

    def test_job(self):
        for gateway in self.gateways():
            accepted = gateway.shell(script('fail'), wait=False)[1]['data']
            self.assertEqual(accepted['status'], 'accepted')
            job = self.wait(gateway, accepted['job_id'])
            self.assertEqual((job['status'], job['exit_code']), ('exited', 3))
            self.assertEqual(gateway.output(job['job_id']), b'out')
            self.assertEqual(gateway.output(job['job_id'], 'stderr'), b'err')

    def wait(self, gateway, job_id):
        for _ in range(400):
            job = gateway.job(job_id)
            if job.get('ended_at'):
                return job
            time.sleep(0.05)
        raise AssertionError('job {} does not end'.format(job_id))

    def test_foreign_job(self):
        job_id = local().shell('true', wait=False)[1]['data']['job_id']
        for job_id in (job_id, '../chains', 'no such job', '中'):
            with self.assertRaises(SidegateError) as caught:
                native().job(job_id)
            self.assertEqual(caught.exception.status, 404)
        for job_id in ('', None, 7):
            with self.assertRaises(ValueError):
                native().cancel(job_id)

    def test_cancel(self):
        for gateway in self.gateways():
            events = gateway.stream(script('wait'))
            job_id = next(events)[1]['job_id']
            self.assertEqual(next(events), ('stdout', b'begun\n'))
            self.assertEqual(gateway.cancel(job_id)['status'], 'running')
            name, result = list(events)[-1]
            self.assertEqual((name, result['status']), ('result', 'killed'))

    def test_stream(self):
        for gateway in self.gateways():
            events = list(gateway.stream(script('count'), workdir='/tmp', envs={'APP_A': 'b'}, labels={'app': 'func'}, run_timeout=20))
            self.assertEqual(events[0][0], 'accepted')
            self.assertEqual(b''.join(e[1] for e in events if e[0] == 'stdout'), '1\n2\n3\n中'.encode('utf-8'))
            self.assertEqual(b''.join(e[1] for e in events if e[0] == 'stderr'), b'\xff\n')
            self.assertEqual((events[-1][0], events[-1][1]['exit_code']), ('result', 0))
            self.assertEqual(gateway.job(events[0][1]['job_id'])['labels'], {'app': 'func'})
            self.assertEqual(list(gateway.stream(argv=['printf', '%s', 'a b']))[1], ('stdout', b'a b'))
            with self.assertRaises(SidegateError) as caught:
                list(gateway.stream('sudo id'))
            self.assertEqual(caught.exception.reason, 'denied')

    def test_stream_that_is_cut_off(self):
        """A proxy cuts the connection after some bytes; nothing of the output is lost, and nothing comes twice."""
        proxy = Cutting((GATEWAY['host'], GATEWAY['port']), after=700)
        try:
            gateway = native(port=proxy.port)
            gateway._authority = native()._authority  # as through a proxy that keeps the header Host
            out, result = b'', None
            for name, data in gateway.stream(script('lines')):
                out += data if name == 'stdout' else b''
                result = data if name == 'result' else result
            self.assertEqual(out.decode().splitlines(), ['line {}'.format(i) for i in range(1, 41)])
            self.assertEqual((result['status'], result['exit_code']), ('exited', 0))
            self.assertEqual(proxy.cuts, 1)
        finally:
            proxy.close()

    def test_decide(self):
        for gateway in (func(), native(), local()):
            self.assertIs(gateway.decide('ls /tmp')[1]['allow'], True)
            status, answer = gateway.decide('sudo id')
            self.assertEqual((status, answer['allow']), (200, False))
            self.assertTrue(answer['reasons'])


class Cutting(object):
    """A proxy that cuts the first connection after so many bytes of the answer."""

    def __init__(self, to, after):
        self.to, self.after, self.cuts = to, after, 0
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.to)
            threading.Thread(target=self.copy, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self.copy, args=(far, near, self.after), daemon=True).start()
            self.after = None

    def copy(self, source, target, most):
        passed = 0
        try:
            while True:
                data = source.recv(256)
                if not data:
                    break
                target.sendall(data)
                passed += len(data)
                if most is not None and passed >= most:
                    self.cuts += 1
                    break
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Answering(object):
    """Something in the place of a gateway, which answers every call with the same bytes."""

    def __init__(self, answer):
        self.answer, self.socket = answer, socket.socket()
        self.socket.bind(('127.0.0.1', 0))
        self.socket.listen(5)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    for piece in self.answer():
                        connection.sendall(piece)
                except OSError:
                    pass

    def __enter__(self):
        return Sidegate({'host': '127.0.0.1', 'port': self.port, 'client': 'a', 'clientSecret': 'x' * 32})

    def __exit__(self, *_):
        self.socket.close()


class TestHostileGateway(unittest.TestCase):
    """Whatever answers in the place of a gateway."""

    def endless(self, status, media, piece):
        def answer():
            yield 'HTTP/1.1 {} X\r\nContent-Type: {}\r\n\r\n'.format(status, media).encode('ascii')
            while True:
                yield piece
        return answer

    def test_answer_without_end(self):
        was = sidegate._MAX_ANSWER
        sidegate._MAX_ANSWER = 1 << 20
        self.addCleanup(setattr, sidegate, '_MAX_ANSWER', was)
        for status in (200, 403):
            with Answering(self.endless(status, 'application/json', b' ' * 65536)) as gateway:
                for call in (lambda: gateway.job('0'), lambda: gateway.output('0'), lambda: gateway.shell('true')):
                    with self.assertRaisesRegex(SidegateError, 'more than 1048576 bytes'):
                        call()

    def test_event_without_end(self):
        for piece in (b'x' * 65536, b'data: ' + b'x' * 65536 + b'\n'):
            with Answering(self.endless(200, 'text/event-stream', piece)) as gateway:
                with self.assertRaisesRegex(SidegateError, 'an event has more than'):
                    list(gateway.stream('true'))

    def test_answer_that_is_cut_off(self):
        with Answering(lambda: [b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}']) as gateway:
            with self.assertRaises(http.client.IncompleteRead):
                gateway.output('0')
        with Answering(lambda: [b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n']) as gateway:
            with self.assertRaises(http.client.IncompleteRead):
                gateway.output('0')

    def test_odd_headers(self):
        for after in (b'\xb2', b'9' * 5000, b'-1', b'soon'):
            with Answering(lambda: [b'HTTP/1.1 429 X\r\nRetry-After: ' + after + b'\r\nContent-Length: 2\r\n\r\n{}']) as gateway:
                with self.assertRaises(SidegateError) as caught:
                    gateway.job('0')
                self.assertEqual((caught.exception.status, caught.exception.retry_after), (429, None))
        for status in (b'"x"', b'{}', b'[]', b'null'):
            with Answering(lambda: [b'HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\nevent: error\ndata: {"status":' + status + b'}\n\n']) as gateway:
                with self.assertRaises(SidegateError) as caught:
                    list(gateway.stream('true'))
                self.assertEqual(caught.exception.status, 500)

    def test_terminal(self):
        text = json.dumps({'ok': False, 'message': 'no \x1b[2J\x07 \u009b31m \u202e \u2028 \U000e0041 \x7f \u00fc'}, ensure_ascii=False).encode('utf-8')
        with Answering(lambda: [b'HTTP/1.1 403 X\r\nContent-Length: ' + str(len(text)).encode('ascii') + b'\r\n\r\n' + text]) as gateway:
            run = subprocess.run([sys.executable, '-B', os.path.join(HERE, 'sidegate.py'), 'true'], stderr=subprocess.PIPE, env=dict(
                os.environ, SIDEGATE_HOST='127.0.0.1', SIDEGATE_PORT=str(gateway.port), SIDEGATE_SECRET='x', PYTHONIOENCODING='utf-8'))
        self.assertEqual(run.stderr.decode('utf-8'), 'sidegate: 403 error: no ?[2J? ?31m ? ? ? ? \u00fc\n')


class TestCallback(unittest.TestCase):
    """The sample function, run as Func runs it: with the members of the message as arguments."""

    def test_once(self):
        kept, worked = {}, []

        class Cache(object):
            def set(self, key, value, expire=None, not_exists=False):
                if not_exists and key in kept:
                    return None
                kept[key] = value
                return True

            def delete(self, key):
                kept.pop(key, None)

        class DFF(object):
            CACHE = Cache()

            @staticmethod
            def API(*_, **__):
                return lambda f: f

        scope = {'DFF': DFF}
        with open(os.path.join(HERE, 'func_callback.py'), encoding='utf-8') as f:
            exec(compile(f.read(), 'func_callback.py', 'exec'), scope)
        scope['work'] = lambda out, err: worked.append((out, err))
        answers, seen = [], threading.Event()

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                scope['_DFF_HTTP_REQUEST'] = {'headers': {k.lower(): v for k, v in self.headers.items()}}
                message = json.loads(self.rfile.read(int(self.headers['Content-Length'])).decode('utf-8'))
                answers.append(scope['sidegate_callback'](**message['kwargs']))
                status = 500 if len(answers) == 1 else 200  # the first answer is lost
                self.send_response(status)
                self.end_headers()
                if status == 200:
                    seen.set()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(('127.0.0.1', GATEWAY['callback']), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            func().shell('printf done', wait=False, callback_url='http://127.0.0.1:{}/api/v1/al/auln-x'.format(GATEWAY['callback']))
            self.assertTrue(seen.wait(60))
        finally:
            server.shutdown()
            server.server_close()
        self.assertEqual((answers, worked), (['taken', 'known'], [('done', '')]))

        def fails(*_):
            raise RuntimeError('later')

        scope['work'] = fails
        scope['_DFF_HTTP_REQUEST'] = {'headers': {'x-sidegate-delivery': 'another'}}
        with self.assertRaises(RuntimeError):
            scope['sidegate_callback'](stdout='x')
        self.assertNotIn('another', kept)


class TestFile(unittest.TestCase):
    def test_old_python(self):
        """The syntax is that of Python 3.6, as far as a newer one can tell, and nothing is imported but the standard library."""
        for name in ('sidegate.py', 'func_callback.py'):
            with open(os.path.join(HERE, name), encoding='utf-8') as f:
                tree = ast.parse(f.read(), feature_version=(3, 6))
            modules = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
            modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            self.assertLessEqual(modules, {
                'base64', 'hashlib', 'hmac', 'http.client', 'json', 'os', 're', 'socket', 'ssl', 'sys', 'time', 'unicodedata', 'uuid',
                'urllib.parse'})

    def test_exports(self):
        self.assertEqual([name for name in sidegate.__all__ if not hasattr(sidegate, name)], [])


if __name__ == '__main__':
    unittest.main()
