# -*- coding: utf-8 -*-
"""Call a Sidegate gateway: one file, the standard library only, Python 3.6 or newer.

As a DataFlux Func script: make a script with the content of this file, say `sidegate__client`, and use it from others:

    from sidegate__client import Sidegate

    host = Sidegate({'host': '172.17.0.1', 'secretKey': DFF.ENV('sidegate_secret')})
    status, answer = host.shell('df -h /srv', envs={'LC_ALL': 'C'})
    print(answer['data']['stdout'])

The names are those of Func's own Sidecar connector, so that a script which has `DFF.CONN('sidecar')` needs one line changed.

There are two ways to be known to a gateway:

  secretKey            the secret of a client with `scheme: func`. It is good for shell(), check() and decide().
  client, clientSecret the name and the secret of a client with `scheme: httpsig` (RFC 9421, hmac-sha256): job(), cancel(),
                       stream(), output() and decide() too, and shell() where there is no secretKey.

`host` may also be `unix:/run/sidegate/sidegate.sock`: then the kernel says who calls, and no secret is needed.

No call is repeated by itself: whether a command ran is for the caller to know, and job() tells.
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import ssl
import time
import uuid
from urllib.parse import quote

__all__ = ['Sidegate', 'SidecarHelper', 'SidegateError', 'SidegateTimeout']


class SidegateError(Exception):
    """The gateway refused a call. `args` is (status, text), as with Func's own connector.

    status       of HTTP
    text         of the body
    reason       a stable code, such as 'denied' or 'rate_limited'; '' where the answer is not the gateway's
    message      for people: what to do
    reasons      of a denial: what would have to be granted
    decision_id  to find it in the audit; ''
    job_id       of a command that runs or has run all the same; ''
    retry_after  seconds; None
    """

    def __init__(self, status, text, retry_after=None):
        super().__init__(status, text)
        self.status, self.text, self.retry_after = status, text, retry_after
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        self.reason = _text(body.get('reason'))
        self.message = _text(body.get('message') or body.get('detail') or body.get('title')) or text.strip()
        self.reasons = body.get('reasons') if isinstance(body.get('reasons'), list) else []
        self.decision_id = _text(body.get('decision_id'))
        self.job_id = _text(body.get('job_id'))

    def __str__(self):
        return '{} {}: {}'.format(self.status, self.reason or 'error', self.message)


class SidegateTimeout(Exception):
    """No answer came in time. The command goes on; `job_id` is its job where that is known, and otherwise ''."""

    def __init__(self, message, job_id=''):
        super().__init__(message)
        self.job_id = job_id


class Sidegate(object):
    """A gateway. It keeps no connection, and may be used by several threads.

    config  host, port, protocol, timeout, secretKey as in Func's connector; client, clientSecret; caFile, certFile, keyFile for TLS
    timeout seconds for the HTTP call of each method that is given none: it does not end a command
    """

    def __init__(self, *args, **kwargs):
        config, timeout = _arguments(args, kwargs)
        self.host = config.get('host') or '172.17.0.1'
        self.port = int(config.get('port') or 8099)
        self.protocol = config.get('protocol') or 'http'
        self.timeout = float(timeout or config.get('timeout') or 10)
        self.secret = _secret(config.get('secretKey'))
        self.client = config.get('client') or ''
        self.client_secret = _secret(config.get('clientSecret'))
        if self.protocol not in ('http', 'https'):
            raise ValueError('protocol: want http or https, not {!r}'.format(self.protocol))
        if bool(self.client) != bool(self.client_secret):
            raise ValueError('client and clientSecret belong together')
        self.tls = None
        if self.protocol == 'https':
            self.tls = ssl.create_default_context(cafile=config.get('caFile') or None)
            if config.get('certFile'):
                self.tls.load_cert_chain(config['certFile'], config.get('keyFile') or None)

    def __repr__(self):  # without secrets
        return 'Sidegate({}://{}:{})'.format(self.protocol, self.host, self.port)

    # What Func's own connector has.

    def check(self):
        """Tell whether the gateway answers and knows this caller: None, or an exception. Nothing is run."""
        status, _ = self.decide('true')
        if status != 200:
            raise SidegateError(status, 'the gateway did not decide')

    def shell(self, cmd, wait=True, workdir=None, envs=None, callback_url=None, timeout=None):
        """Run a command, and return (status, answer). answer['data'] has stdout, stderr, exit_code, status and job_id.

        wait          False returns at once, with the job's ID
        workdir       an absolute path
        envs          a dict, or a list of 'KEY=VALUE'
        callback_url  is sent the result when the command has ended
        timeout       seconds for this HTTP call
        """
        envs = _variables(envs)
        if callback_url and not str(callback_url).startswith(('http://', 'https://')):
            raise ValueError('`callback_url` should start with "http://" or "https://"')
        if self._native() and not self.secret:
            return self._shell_by_job(cmd, wait, workdir, envs, callback_url, timeout)
        body = {'command': cmd, 'wait': bool(wait)}
        if workdir:
            body['workdir'] = workdir
        if envs:
            body['envs'] = ['{}={}'.format(name, value) for name, value in envs.items()]
        if callback_url:
            body['callbackURL'] = callback_url
        return self.call('POST', '/shell', body=body, timeout=timeout)

    def call(self, method, path=None, query=None, body=None, timeout=None):
        """Make a signed call, and return (status, parsed answer). It raises on any status of 400 or more.

        method may be 'POST /shell', as with Func's connector; query is a dict.
        """
        if path is None:
            method, path = method.split(' ', 1)
        with self._open(method.upper(), path, query, body, {}, timeout) as response:
            text = _read(response, timeout or self.timeout).decode('utf-8', 'replace')
            if response.headers.get_content_type() in ('application/json', 'application/problem+json'):
                return response.status, json.loads(text) if text else None
            return response.status, text

    # What it has not.

    def decide(self, cmd, workdir=None, envs=None, timeout=None):
        """Ask what would become of a command, and return (status, decision). Nothing is run."""
        return self.call('POST', '/v1/decisions', body=_order(cmd, workdir, _variables(envs)), timeout=timeout)

    def job(self, job_id, timeout=None):
        """Return one job as a dict: status, exit_code, command, accepted_at, ended_at …"""
        return self.call('GET', '/v1/jobs/' + _id(job_id), timeout=timeout)[1]

    def cancel(self, job_id, timeout=None):
        """End a job with everything that it has started, and return it as it was found."""
        return self.call('DELETE', '/v1/jobs/' + _id(job_id), timeout=timeout)[1]

    def output(self, job_id, name='stdout', timeout=None):
        """Return what is kept of an output, as bytes."""
        with self._open('GET', '/v1/jobs/{}/output/{}'.format(_id(job_id), _stream(name)), None, None, {}, timeout) as response:
            return _read(response, None)

    def stream(self, cmd=None, workdir=None, envs=None, callback_url=None, labels=None, run_timeout=None, argv=None):
        """Run a command and yield what happens, as it happens:

            ('accepted', {'job_id': …})    first
            ('stdout', b'…'), ('stderr', b'…')
            ('result', {'status': 'exited', 'exit_code': 0 …})    last

        run_timeout  seconds after which the gateway ends the command
        A connection that is lost is made again, and goes on where it was. Leaving the loop leaves the command running: cancel() ends it.
        """
        order = _order(cmd, workdir, _variables(envs), argv)
        if callback_url:
            order['callback'] = {'url': callback_url}
        if labels:
            order['labels'] = dict(labels)
        if run_timeout:
            order['timeout'] = '{:g}s'.format(run_timeout)
        return self._stream(order)

    def _stream(self, order):
        job_id, seen, ended = '', {'stdout': 0, 'stderr': 0}, None
        try:
            with self._open('POST', '/v1/jobs', None, order, {'Accept': 'text/event-stream'}, _QUIET) as response:
                if response.headers.get_content_type() != 'text/event-stream':  # a plugin answered in place of a command
                    yield 'result', json.loads(_read(response, _QUIET).decode('utf-8'))
                    return
                for name, data in _events(response):
                    if name in seen:
                        seen[name] = data['offset'] + len(_piece(data))
                        yield name, _piece(data)
                        continue
                    if name == 'error':
                        status = data.get('status')
                        raise SidegateError(status if isinstance(status, int) else 500, json.dumps(data))
                    if name == 'accepted':
                        job_id = data['job_id']
                    if name == 'result':
                        ended = data
                    yield name, data
        except (OSError, http.client.HTTPException):
            if not job_id:
                raise
        if ended is None:
            if not job_id:
                raise SidegateTimeout('the gateway ended the connection before it accepted the command')
            for event in self._resume(job_id, seen):
                yield event

    def _resume(self, job_id, seen):
        """Go on with the outputs of a job where they were, one behind the other, and end with its result."""
        for name in ('stdout', 'stderr'):
            for attempt in _attempts():
                path = '/v1/jobs/{}/output/{}'.format(_id(job_id), name)
                try:
                    with self._open('GET', path, {'follow': 'true', 'offset': seen[name]}, None, {}, _QUIET) as response:
                        for kind, data in _events(response):
                            if kind == name:
                                seen[name] = data['offset'] + len(_piece(data))
                                yield name, _piece(data)
                            if kind == 'end':
                                break
                        else:
                            raise ConnectionError('the stream was cut off')
                    break
                except (OSError, http.client.HTTPException):
                    if not attempt:
                        raise
                except SidegateError as e:
                    if e.reason == 'output_cut':  # not all of it is kept: output() has what is
                        break
                    raise
        yield 'result', self.job(job_id)

    def _shell_by_job(self, cmd, wait, workdir, envs, callback_url, timeout):
        """shell() over /v1/jobs, with the answer that /shell gives."""
        order, headers, timeout = _order(cmd, workdir, envs), {}, float(timeout or self.timeout)
        if callback_url:
            order['callback'] = {'url': callback_url}
        if wait:
            headers['Prefer'] = 'wait={}'.format(max(0, int(timeout) - 1))
        with self._open('POST', '/v1/jobs', None, order, headers, timeout) as response:
            data = json.loads(_read(response, timeout).decode('utf-8'))
            if wait and response.status == 202:
                raise SidegateTimeout('the command has not ended after {:g} s, and goes on as job {}; job() tells what becomes of it'.format(
                    timeout, data.get('job_id')), data.get('job_id', ''))
            return 200, {'ok': True, 'message': '', 'data': data}

    # Below is how a call is made.

    def _native(self):
        return bool(self.client) or self.host.startswith('unix:')

    def _open(self, method, path, query, body, headers, timeout):
        """Send a call and return the response, whose status is below 400. Close it, by `with`."""
        timeout = float(timeout or self.timeout)
        if body is None:
            raw = b''
        else:
            raw = body.encode('utf-8') if isinstance(body, str) else json.dumps(body).encode('utf-8')
            headers = dict(headers, **{'Content-Type': 'application/json'})
        search = '&'.join('{}={}'.format(quote(str(k), safe=''), quote(str(v), safe='')) for k, v in (query or {}).items())
        headers = dict(headers, **self._sign(method, path, search, raw))
        connection = self._connect(timeout)
        try:
            connection.request(method, path + ('?' + search if search else ''), body=raw if body is not None else None, headers=headers)
            response = connection.getresponse()
        except socket.timeout:
            connection.close()
            raise SidegateTimeout('the gateway at {} did not answer within {:g} s; a command that was accepted goes on'.format(self._authority(), timeout))
        except Exception as e:
            connection.close()
            if isinstance(e, OSError) and e.filename is None:
                e.filename = self.host if self.host.startswith('unix:') else self._authority()  # str() tells it
            raise
        answer = _Response(connection, response)
        if response.status < 400:
            return answer
        with answer:
            text = _read(response, timeout, _MAX_TEXT).decode('utf-8', 'replace')
            after = response.headers.get('Retry-After', '')
            raise SidegateError(response.status, text, int(after) if re.match(r'^[0-9]{1,9}$', after) else None)

    def _connect(self, timeout):
        if self.host.startswith('unix:'):
            return _UnixConnection(self.host[len('unix:'):], timeout)
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def _authority(self):
        """The value of the header Host, as it is signed."""
        if self.host.startswith('unix:'):
            return 'localhost'
        host = '[{}]'.format(self.host) if ':' in self.host else self.host.lower()
        return host if self.port == {'http': 80, 'https': 443}[self.protocol] else '{}:{}'.format(host, self.port)

    def _sign(self, method, path, search, raw):
        func = path == '/shell' or path == '/v1/decisions' and not self.client
        if self.host.startswith('unix:') and not self.client and not (self.secret and path == '/shell'):
            return {'Host': self._authority()}
        if func and self.secret:
            return self._sign_func(method, path, raw)
        if self.client:
            return self._sign_http(method, path, search, raw)
        native = 'client and clientSecret, of a client with scheme: httpsig,'
        need = {'/shell': 'secretKey', '/v1/decisions': 'secretKey, or ' + native}.get(path, native)
        raise ValueError('{} {} needs {} in the configuration'.format(method, path, need))

    def _sign_func(self, method, path, raw):
        nonce, now = uuid.uuid4().hex, str(int(time.time()))
        signed = '\n'.join([method, path, nonce, now, '']).encode('utf-8') + raw
        return {
            'Host': self._authority(),
            'X-Auth-Nonce': nonce,
            'X-Auth-Timestamp': now,
            'X-Auth-Signature': hmac.new(self.secret, signed, hashlib.sha1).hexdigest().upper(),
        }

    def _sign_http(self, method, path, search, raw):
        """RFC 9421 over method, authority, path, query and the digest of the body (RFC 9530)."""
        digest = 'sha-256=:{}:'.format(base64.b64encode(hashlib.sha256(raw).digest()).decode('ascii'))
        covered = [
            ('@method', method), ('@authority', self._authority()), ('@path', path), ('@query', '?' + search), ('content-digest', digest),
        ]
        parameters = '({});created={};nonce="{}";keyid="{}";alg="hmac-sha256"'.format(
            ' '.join('"{}"'.format(name) for name, _ in covered), int(time.time()), uuid.uuid4().hex, self.client)
        lines = ['"{}": {}'.format(name, value) for name, value in covered] + ['"@signature-params": ' + parameters]
        mac = hmac.new(self.client_secret, '\n'.join(lines).encode('utf-8'), hashlib.sha256).digest()
        return {
            'Host': self._authority(),
            'Content-Digest': digest,
            'Signature-Input': 'sidegate=' + parameters,
            'Signature': 'sidegate=:{}:'.format(base64.b64encode(mac).decode('ascii')),
        }


class SidecarHelper(Sidegate):
    """Sidegate, made as Func makes its connector: SidecarHelper(logger, config, timeout=None)."""


# Events come every 15 seconds at least; a connection on which nothing comes for so long is lost.
_QUIET = 45


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__('localhost', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Response(object):
    """A response with its connection, for `with`."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response

    def __enter__(self):
        return self.response

    def __exit__(self, *_):
        self.response.close()
        self.connection.close()


def _arguments(args, kwargs):
    """Sidegate(config, timeout=None), or as Func calls it: (logger, config, timeout=None)."""
    args = list(args)
    if args and not isinstance(args[0], dict):
        args.pop(0)
    kwargs.pop('logger', None)
    config = dict(args.pop(0) if args else kwargs.pop('config', None) or {})
    timeout = args.pop(0) if args else kwargs.pop('timeout', None)
    if args or kwargs:
        raise TypeError('unexpected arguments: {}'.format(', '.join(list(kwargs) or [repr(type(a)) for a in args])))
    unknown = set(config) - {'host', 'port', 'protocol', 'timeout', 'secretKey', 'client', 'clientSecret', 'caFile', 'certFile', 'keyFile'}
    if unknown:
        raise ValueError('the configuration has keys that mean nothing: {}'.format(', '.join(sorted(unknown))))
    return config, timeout


def _secret(value):
    return (value or '').encode('utf-8') if not isinstance(value, bytes) else value


def _text(value):
    return value if isinstance(value, str) else ''


def _variables(envs):
    """A dict of a dict, or of a list of KEY=VALUE."""
    if not envs:
        return {}
    if hasattr(envs, 'items'):
        pairs = [(str(k), str(v)) for k, v in envs.items()]
    else:
        pairs = []
        for entry in envs:
            name, separator, value = str(entry).partition('=')
            if not separator:
                raise ValueError('envs: {!r} is not KEY=VALUE'.format(entry))
            pairs.append((name, value))
    for name, _ in pairs:
        if not re.match(r'^[A-Za-z_][A-Za-z0-9_]*$', name):
            raise ValueError('envs: {!r} is no name of a variable'.format(name))
    return dict(pairs)


def _order(cmd, workdir, envs, argv=None):
    order = {'argv': list(argv)} if argv is not None else {'command': cmd}
    if workdir:
        order['workdir'] = workdir
    if envs:
        order['env'] = envs
    return order


def _id(job_id):
    if not job_id or not isinstance(job_id, str):
        raise ValueError('job_id: want the ID of a job, not {!r}'.format(job_id))
    return quote(job_id, safe='')


def _stream(name):
    if name not in ('stdout', 'stderr'):
        raise ValueError("name: want 'stdout' or 'stderr', not {!r}".format(name))
    return name


# What is taken of an answer, in bytes: whatever answers in the place of a gateway gets no more of this process's memory. A gateway keeps less of an output.
_MAX_ANSWER = 512 << 20
_MAX_TEXT = 1 << 20  # why a call was refused
_MAX_LINE = 16 << 20  # of an event


def _read(response, timeout, most=None):
    most = _MAX_ANSWER if most is None else most
    try:
        answer = response.read(most + 1)
    except socket.timeout:
        raise SidegateTimeout('the answer did not end within {:g} s; a command that was accepted goes on'.format(timeout or _QUIET))
    if len(answer) > most:
        raise SidegateError(response.status, 'the answer has more than {} bytes'.format(most))
    if response.length:  # read(n), other than read(), says nothing of an answer that was cut off
        raise http.client.IncompleteRead(answer, response.length)
    return answer


def _piece(data):
    return base64.b64decode(data['base64']) if 'base64' in data else data.get('text', '').encode('utf-8')


def _events(response):
    """Yield (event, data) of a text/event-stream."""
    name, data, size = '', [], 0
    while True:
        line = response.readline(_MAX_LINE + 1)
        if not line:
            return
        size = size + len(line) if line.strip() else 0
        if size > _MAX_LINE:
            raise SidegateError(response.status, 'an event has more than {} bytes'.format(_MAX_LINE))
        line = line.decode('utf-8').rstrip('\r\n')
        if not line:
            if name and data:
                yield name, json.loads('\n'.join(data))
            name, data = '', []
        field, _, value = line.partition(':')
        value = value[1:] if value.startswith(' ') else value
        if field == 'event':
            name = value
        elif field == 'data':
            data.append(value)


def _attempts():
    """Yield True some times, with pauses that grow, and then False."""
    for pause in (0, 0.2, 1, 3, 10):
        time.sleep(pause)
        yield True
    yield False


if __name__ == '__main__':  # python3 sidegate.py COMMAND: try it from a terminal
    import sys
    import unicodedata

    _gateway = Sidegate({
        'host': os.environ.get('SIDEGATE_HOST'), 'port': os.environ.get('SIDEGATE_PORT'), 'secretKey': os.environ.get('SIDEGATE_SECRET'),
        'client': os.environ.get('SIDEGATE_CLIENT'), 'clientSecret': os.environ.get('SIDEGATE_CLIENT_SECRET'),
    })
    try:
        _answer = _gateway.shell(' '.join(sys.argv[1:]))[1]['data']
    except (SidegateError, SidegateTimeout, OSError, ValueError) as _error:
        # Without what a terminal acts on, or does not show: whatever answered chose the words.
        sys.exit('sidegate: ' + ''.join('?' if unicodedata.category(c) in ('Cc', 'Cf', 'Cs', 'Zl', 'Zp') and c != '\n' else c for c in str(_error)))
    sys.stdout.write(_answer['stdout'])
    sys.stderr.write(_answer['stderr'])
    sys.exit(_answer.get('exit_code', 0))
