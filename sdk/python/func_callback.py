# -*- coding: utf-8 -*-
"""A function of DataFlux Func that takes the results of commands.

Put this into a script of Func, make a Sync API (Func: Management, Auth Links) for `sidegate_callback`, and give its URL as
callback_url. The gateway delivers every result at least once: again, when an answer was lost. What it is known by stays the same,
so a result that came before is told apart here, and the work is done once. When the work fails, the gateway tries again later.
"""


@DFF.API('Sidegate callback', category='sidegate', timeout=60)
def sidegate_callback(stdout='', stderr='', **more):
    delivery = _DFF_HTTP_REQUEST['headers'].get('x-sidegate-delivery', '')
    if delivery and not DFF.CACHE.set(delivery, 'taken', expire=2 * 86400, not_exists=True):
        return 'known'
    try:
        work(stdout, stderr)
    except Exception:
        DFF.CACHE.delete(delivery)
        raise
    return 'taken'


def work(stdout, stderr):
    """What to do with a result. A last line of stderr that begins with `sidegate:` says that the command did not end by itself."""
    interrupted = stderr.rstrip('\n').rpartition('\n')[2].startswith('sidegate:')
    print('interrupted' if interrupted else 'ended', len(stdout), 'characters')
