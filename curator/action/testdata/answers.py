"""Writes answers.json.gz: action files, and what Elastic Curator's own validation makes of each.

Renew it with

    python3 -m venv V && V/bin/pip install elasticsearch-curator==8.0.21
    V/bin/python curator/action/testdata/answers.py curator/action/testdata/answers.json.gz

Each case has a name, the text, and either the options that Curator reads ("actions") or nothing, if it
refuses the file.
"""
import gzip
import json
import logging
import os
import random
import sys
import tempfile

import yaml
from curator.helpers.testers import validate_actions
from es_client.helpers.utils import get_yaml

logging.disable(logging.CRITICAL)
os.environ.update({'DAYS': '7', 'YES': 'true', 'EMPTY': '', 'NONE': 'None', 'WORD': 'word'})
CASES = {}

NONE = [{'filtertype': 'none'}]
INDEX = ['allocation', 'close', 'delete_indices', 'forcemerge', 'index_settings', 'open', 'reindex', 'replicas', 'shrink', 'snapshot']
SNAPSHOT = ['delete_snapshots', 'restore']
BARE = ['cluster_routing', 'create_index', 'rollover']
NEEDED = {
    'alias': {'name': 'a'},
    'allocation': {'key': 'tag', 'value': 'cold'},
    'cluster_routing': {'routing_type': 'allocation', 'setting': 'enable', 'value': 'all'},
    'create_index': {'name': 'a'},
    'delete_snapshots': {'repository': 'r'},
    'forcemerge': {'max_num_segments': 1},
    'index_settings': {'index_settings': {'index': {'refresh_interval': '5s'}}},
    'reindex': {'request_body': {'source': {'index': 'a'}, 'dest': {'index': 'b'}}},
    'replicas': {'count': 1},
    'restore': {'repository': 'r'},
    'rollover': {'name': 'a', 'conditions': {'max_age': '1d'}},
    'shrink': {'shrink_node': 'DETERMINISTIC'},
    'snapshot': {'repository': 'r'},
}
ALL = INDEX + SNAPSHOT + BARE + ['alias']


def action(kind, options=None, filters=NONE, **more):
    """An action with what its kind needs, and options over that."""
    out = {'action': kind, 'options': {**NEEDED.get(kind, {}), **(options or {})}}
    if kind == 'alias':
        out['add'] = {'filters': filters}
    elif kind not in BARE:
        out['filters'] = filters
    out.update(more)
    return {k: v for k, v in out.items() if v != 'GONE'}


def text(name, body):
    assert name not in CASES, name
    CASES[name] = body


def case(name, *actions, **keyed):
    data = {'actions': {**{i + 1: a for i, a in enumerate(actions)}, **keyed}}
    text(name, yaml.dump(data, sort_keys=False, default_flow_style=None))


def options():
    """Each option of each action with values that fit, nearly fit and do not."""
    yes = [True, False, 'true', 'no', 'On', 'ENABLE', '1', '0', 1, 0, 2.5, 'maybe', '', None, 'None', [], {}]
    number = [1, 3, 0, -1, 30, 31, 10, 11, 500, 501, 3601, 32769, '5', ' 5 ', '5.0', 2.0, 2.5, 'five', '', True, None, 'None', [1]]
    word = ['a', '', '5', 5, 2017.01, True, None, 'None', ['a'], {'a': 1}]
    mapping = [{}, {'a': 1}, {'index': {'a': None}}, None, 'None', 'a', ['a']]
    lists = [['a'], [], 'a', None, ['a', 1], {'a': 1}]
    common = {'allow_ilm_indices': yes, 'continue_if_exception': yes, 'disable_action': yes, 'ignore_empty_list': yes,
              'include_hidden': yes, 'timeout_override': number}
    wait = {'wait_for_completion': [True, False, 'no', 1], 'wait_interval': [1, 30, 31, 0, '9', None], 'max_wait': [-1, 0, 60, '60', None, 'x']}
    own = {
        'alias': {'name': word, 'warn_if_no_indices': [True, 'on', 1], 'extra_settings': mapping},
        'allocation': {'search_pattern': ['a*', '', 5], 'key': word, 'value': word, 'allocation_type': ['require', 'include', 'exclude', 'x', 5], **wait},
        'close': {'delete_aliases': [True, 1], 'skip_flush': ['yes', 1], 'ignore_sync_failures': [False, True]},
        'cluster_routing': {'routing_type': ['allocation', 'rebalance', 'x', None], 'setting': ['enable', 'x', None],
                            'value': ['all', 'none', 'primaries', 'new_primaries', 'replicas', None, 5], **wait},
        'create_index': {'name': word, 'ignore_existing': [True, 'off', 0], 'extra_settings': mapping},
        'delete_snapshots': {'repository': word, 'retry_interval': [1, 600, 601, 0, '120'], 'retry_count': [0, 100, 101, -1]},
        'forcemerge': {'max_num_segments': number, 'delay': [0, 0.5, '1.5', 3600, 3600.5, -1, 'x', '1e2', 'nan', None]},
        'index_settings': {'index_settings': mapping, 'ignore_unavailable': [True, 1], 'preserve_existing': [True, 1]},
        'reindex': {
            'request_body': [
                {'source': {'index': ['a', 'b'], 'size': 5, 'query': {'match_all': {}}}, 'dest': {'index': 'b', 'op_type': 'create'}},
                {'source': {'index': 'a'}}, {'dest': {'index': 'b'}}, {'source': {}, 'dest': {}}, {'source': {'index': 'a'}, 'dest': {'index': 'b'}, 'x': 1},
                {'conflicts': 'proceed', 'max_docs': '5', 'source': {'index': 'REINDEX_SELECTION'}, 'dest': {'index': 'MIGRATION'}},
                {'conflicts': 'x', 'source': {'index': 'a'}, 'dest': {'index': 'b'}},
                {'source': {'index': 'a', 'remote': {'host': 'https://h:9200', 'username': 'u', 'password': 'p'}}, 'dest': {'index': 'b'}},
                {'source': {'index': 'a', 'remote': {'hots': 'x'}}, 'dest': {'index': 'b'}},
                {'source': {'index': 'a', 'typo': 1}, 'dest': {'index': 'b'}}, {'source': {'index': 'a'}, 'dest': {'index': 'b', 'version_type': 'external'}},
                {'source': {'index': 'a'}, 'dest': {'index': 'b', 'version_type': 'x'}}, {'source': {'index': 5}, 'dest': {'index': 'b'}},
                {'source': {'index': 'a'}, 'dest': {'index': 'b'}, 'script': {'source': 'x', 'lang': 'painless'}}, None, {}, 'x'],
            'refresh': [True, 1], 'requests_per_second': [-1, 5, '5', None, 'x'], 'slices': [1, 500, 501, 0, None], 'timeout': [60, '60', None, 'x'],
            'wait_for_active_shards': [1, 'all', '2', 'x', None], 'remote_certificate': ['a', None, 5],
            'remote_filters': [NONE, [], None, 'x', [{'filtertype': 'state'}], [{'filtertype': 'pattern'}]],
            'migration_prefix': ['a', '', None, 5], 'migration_suffix': ['a'], **wait},
        'replicas': {'count': number, **wait},
        'restore': {'repository': word, 'name': word, 'indices': lists, 'ignore_unavailable': [True, 1], 'include_aliases': [True, 1],
                    'include_global_state': [True, 1], 'partial': [True, 1], 'rename_pattern': word, 'rename_replacement': ['a', 5],
                    'extra_settings': mapping, 'skip_repo_fs_check': [False, 0], **wait},
        'rollover': {'name': word, 'new_index': ['a', None, 5], 'conditions': [{'max_docs': '5'}, {'max_size': '5gb', 'max_age': '7d'}, {'max_age': 7}, {'max': 1}, {}, None, 'x'],
                     'extra_settings': mapping, 'wait_for_active_shards': [0, 'all', 'x', 1]},
        'shrink': {'shrink_node': word, 'node_filters': [{'permit_masters': True}, {'exclude_nodes': ['a']}, {'exclude_nodes': None}, {'permit_masters': 1}, {'x': 1}, {}, None],
                   'number_of_shards': [1, 99, 100, 0, '2'], 'number_of_replicas': [0, 10, 11, -1], 'shrink_prefix': ['p', None, 5], 'shrink_suffix': ['s', None, '-x'],
                   'copy_aliases': [True, 1], 'delete_after': [False, 'no', 0], 'wait_for_rebalance': [False, 0], 'wait_for_active_shards': ['all', 2, 'x'],
                   'post_allocation': [{'key': 'k'}, {'key': 'k', 'value': 'v', 'allocation_type': 'include'}, {'value': 'v'}, {}, {'key': 'k', 'x': 1}, None], **wait},
        'snapshot': {'repository': word, 'name': ['n-%Y', None, 5], 'ignore_unavailable': [True, 1], 'include_global_state': [False, 0], 'partial': [True],
                     'skip_repo_fs_check': [False, 0], **wait},
    }
    for name, values in common.items():
        for v in values:
            case(f'option/delete_indices/{name}={v!r}', action('delete_indices', {name: v}))
    for kind, names in own.items():
        for name, values in names.items():
            for v in values:
                case(f'option/{kind}/{name}={v!r}', action(kind, {name: v}))
        for name in NEEDED.get(kind, {}):
            case(f'missing/{kind}/{name}', {**action(kind), 'options': {k: v for k, v in NEEDED[kind].items() if k != name}})
    for kind in ALL:
        case(f'plain/{kind}', action(kind))
        case(f'plain/{kind}/without options', {k: v for k, v in action(kind).items() if k != 'options'})
        case(f'unknown/{kind}', action(kind, {'unknown_option': 1}))
        case(f'unknown/{kind}/null', action(kind, {'unknown_option': None}))
        case(f'misspelt/{kind}', action(kind, {'timeout_overide': 1}))
        case(f'search_pattern/{kind}', action(kind, {'search_pattern': 'a*'}))


def structure():
    """What stands around options and filters."""
    for kind in ALL:
        case(f'filters/{kind}/missing', {k: v for k, v in action(kind).items() if k not in ('filters', 'add')})
        for name, v in {'null': None, 'empty': [], 'map': {'filtertype': 'none'}, 'text': 'none', 'texts': ['none'], 'nulls': [None],
                        'no type': [{'exclude': True}], 'unknown type': [{'filtertype': 'nones'}], 'two': NONE + NONE,
                        'misspelt element': [{'filtertype': 'none', 'exclud': True}]}.items():
            case(f'filters/{kind}/{name}', action(kind, **{'add' if kind == 'alias' else 'filters': {'filters': v} if kind == 'alias' else v}))
    for kind in ('freeze', 'unfreeze', 'cold2frozen', 'delete_index', 'DELETE_INDICES', '', None, 5, ['open']):
        case(f'kind/{kind!r}', {'action': kind, 'filters': NONE})
    case('key/unknown', action('open', filter=[]))
    case('key/description null', action('open', description=None))
    case('key/description number', action('open', description=5))
    case('key/description list', action('open', description=['a']))
    case('key/options null', {'action': 'open', 'options': None, 'filters': NONE})
    case('key/options list', {'action': 'open', 'options': [], 'filters': NONE})
    case('key/options text', {'action': 'open', 'options': 'x', 'filters': NONE})
    case('key/no action', {'filters': NONE})
    case('alias/both', action('alias', remove={'filters': NONE}))
    case('alias/neither', {'action': 'alias', 'options': {'name': 'a'}})
    case('alias/add null', {'action': 'alias', 'options': {'name': 'a'}, 'add': None})
    case('alias/add unknown', {'action': 'alias', 'options': {'name': 'a'}, 'add': {'filters': NONE, 'x': 1}})
    case('alias/add without filters', {'action': 'alias', 'options': {'name': 'a'}, 'add': {}})
    case('alias/snapshot filter', action('alias', filters=[{'filtertype': 'state'}]))
    case('keys/numbers', action('open'), action('close'), action('delete_indices'))
    case('keys/words', b=action('open'), a=action('close'))
    case('keys/mixed', action('open'), a=action('close'))
    for name, body in {
        'empty': '', 'comment': '# x', 'null': 'null', 'list': '[]', 'text': 'x', 'no actions': 'action: {}', 'actions null': 'actions:',
        'actions list': 'actions: []', 'actions empty': 'actions: {}', 'more': 'actions: {}\nclient: {}', 'tab': 'actions:\n\t1: x',
        'colon': 'a: b: c', 'open bracket': 'actions: [', 'documents': 'actions: {}\n---\nactions: {}', 'action null': 'actions: {1: }',
        'action text': 'actions: {1: open}', 'unknown alias': 'actions: *a',
    }.items():
        text(f'root/{name}', body)


def filters():
    """Filters of every type."""
    age = {'filtertype': 'age', 'source': 'creation_date', 'direction': 'older', 'unit': 'days', 'unit_count': 7}
    named = {**age, 'source': 'name', 'timestring': '%Y.%m.%d'}
    period = {'filtertype': 'period', 'source': 'creation_date', 'range_from': -1, 'range_to': -1, 'unit': 'days'}
    absolute = {'filtertype': 'period', 'period_type': 'absolute', 'source': 'creation_date', 'unit': 'days', 'date_from': '2026-01-01',
                'date_from_format': '%Y-%m-%d', 'date_to': '2026-01-31', 'date_to_format': '%Y-%m-%d'}
    fields = {**age, 'source': 'field_stats', 'field': '@timestamp'}
    good = {
        'age': age, 'age name': named, 'age fields': fields, 'age epoch': {**age, 'epoch': 1500000000}, 'age text': {**age, 'unit_count': '7'},
        'age pattern': {**named, 'unit_count_pattern': '-([0-9]+)-'}, 'age exclude': {**age, 'exclude': 'yes'}, 'age negative': {**age, 'unit_count': -1},
        'alias': {'filtertype': 'alias', 'aliases': ['a', 'b']}, 'alias one': {'filtertype': 'alias', 'aliases': 'a'},
        'allocated': {'filtertype': 'allocated', 'key': 'k', 'value': 'v'}, 'closed': {'filtertype': 'closed'}, 'opened': {'filtertype': 'opened', 'exclude': False},
        'count': {'filtertype': 'count', 'count': 5}, 'count age': {'filtertype': 'count', 'count': 5, 'use_age': True, 'source': 'name', 'timestring': '%Y'},
        'count pattern': {'filtertype': 'count', 'count': 1, 'pattern': '^(a)', 'reverse': False}, 'empty': {'filtertype': 'empty'},
        'forcemerged': {'filtertype': 'forcemerged', 'max_num_segments': 2}, 'ilm': {'filtertype': 'ilm'}, 'kibana': {'filtertype': 'kibana'}, 'none': {'filtertype': 'none'},
        'pattern prefix': {'filtertype': 'pattern', 'kind': 'prefix', 'value': 'a'}, 'pattern regex': {'filtertype': 'pattern', 'kind': 'regex', 'value': '^a.*$', 'exclude': True},
        'pattern timestring': {'filtertype': 'pattern', 'kind': 'timestring', 'value': '%Y.%m'}, 'pattern suffix': {'filtertype': 'pattern', 'kind': 'suffix', 'value': '-b'},
        'period': period, 'period absolute': absolute, 'period intersect': {**period, 'source': 'field_stats', 'field': '@timestamp', 'intersect': True},
        'period weeks': {**period, 'unit': 'weeks', 'week_starts_on': 'monday'},
        'shards': {'filtertype': 'shards', 'number_of_shards': 2}, 'shards equal': {'filtertype': 'shards', 'number_of_shards': 2, 'shard_filter_behavior': 'equal'},
        'size': {'filtertype': 'size', 'size_threshold': 1.5}, 'size total': {'filtertype': 'size', 'size_threshold': '2', 'size_behavior': 'total', 'threshold_behavior': 'less_than'},
        'space': {'filtertype': 'space', 'disk_space': 10}, 'space age': {'filtertype': 'space', 'disk_space': 10, 'use_age': True, 'source': 'creation_date'},
        'state': {'filtertype': 'state'}, 'state failed': {'filtertype': 'state', 'state': 'FAILED'},
    }
    for name, f in good.items():
        case(f'filter/{name}', action('delete_indices', filters=[f]))
        case(f'filter/{name}/of snapshots', action('delete_snapshots', filters=[f]))
        for element in f:
            case(f'filter/{name}/without {element}', action('delete_indices', filters=[{k: v for k, v in f.items() if k != element}]))
            if element != 'filtertype':
                for wrong in (None, 'x', ['x'], {'x': 1}, -3, True):
                    case(f'filter/{name}/{element}={wrong!r}', action('delete_indices', filters=[{**f, element: wrong}]))
                case(f'filter/{name}/misspelt {element}', action('delete_indices', filters=[{(k[:-1] + 'x' if k == element else k): v for k, v in f.items()}]))
        case(f'filter/{name}/stranger', action('delete_indices', filters=[{**f, 'stranger': 1}]))
        case(f'filter/{name}/foreign', action('delete_indices', filters=[{**f, 'number_of_shards' if 'shards' not in name else 'disk_space': 1}]))


def spellings():
    """YAML itself, and the environment."""
    head = 'actions:\n  1:\n    action: delete_indices\n'
    some = '    filters: [{filtertype: none}]\n'
    for v in ('yes', 'Yes', 'YES', 'yEs', 'y', 'on', 'On', 'off', 'no', 'true', 'True', 'TRUE', 'tRUE', '"yes"', "'1'", '1', '0', '~', 'null', '', 'None', '!!bool yes',
              '!!str yes', '!!int 1', '${YES}', '${YES:false}', '${UNSET}', '${UNSET:true}', '${UNSET:}', '${EMPTY}', '${NONE}', '${WORD}', "'${YES}'", '"${YES}"',
              'x${YES}', '${YES}x', '${UNSET:a:b}', '${YES:a:b}'):
        text(f'yaml/yes/{v}', f'{head}    options: \n      ignore_empty_list: {v}\n{some}')
    for v in ('60', '0', '060', '08', '0x3C', '0b11', '0o17', '1_000', '6e1', '6.0e+1', '60.', '.5', '+60', '1:30', '1:30:00', '-1', '.inf', '.nan', '2026-11-21', '"60"', '${DAYS}',
              '${UNSET:7}', '${UNSET}', '${EMPTY}', '!!str 60', '!!float 60', '1__0', '09', '00', '0.0', '6 0', '~', '=', '1e3', "' 60'", '99999999999999999999'):
        text(f'yaml/number/{v}', f'{head}    options:\n      timeout_override: {v}\n{some}')
        text(f'yaml/days/{v}', f'{head}    filters:\n    - filtertype: age\n      source: creation_date\n      direction: older\n      unit: days\n      unit_count: {v}\n')
    for v in ('a', '2017.01', '007', '1:30', '2026-11-21', '2026-11-21T00:00:00Z', 'yes', 'null', '~', '5', '1e3', '!!str 5', '!!binary aGk=', '!x a', '=', '<<', '"a\\x41"', '|\n        a\n', '>-\n        a\n        b\n', '${WORD}',
              "'${WORD}'", '@a', '`a', '%a', '[a]', '- a', 'a: b', 'a #b', '"a', 'é', '"\\ud83d\\ude00"'):
        text(f'yaml/text/{v}', f'{head}    filters:\n    - filtertype: pattern\n      kind: prefix\n      value: {v}\n')
    for name, body in {
        'anchors': 'actions:\n  1: &a\n    action: open\n    options: &o {ignore_empty_list: true}\n    filters: &f [{filtertype: none}]\n  2:\n    action: close\n    options: *o\n    filters: *f\n  3: *a\n',
        'merge': 'actions:\n  1: &a {action: open, options: {ignore_empty_list: true}, filters: [{filtertype: none}]}\n  2: {<<: *a, action: close}\n',
        'merge list': 'actions:\n  1:\n    action: open\n    options: &o {timeout_override: 5, ignore_empty_list: true}\n    filters: [{filtertype: none}]\n'
                      '  2:\n    action: open\n    options: {<<: [{timeout_override: 6}, *o], ignore_empty_list: false}\n    filters: [{filtertype: none}]\n',
        'merge text': 'actions:\n  1: {<<: a, action: open, filters: [{filtertype: none}]}\n',
        'merge after': 'actions:\n  1: &a {action: open, filters: [{filtertype: none}]}\n  2: {action: close, <<: *a}\n',
        'alias in itself': 'actions: &a\n  1: *a\n',
        'duplicate filters': head + some + some, 'duplicate options': head + '    options: {ignore_empty_list: true}\n    options: {}\n' + some,
        'duplicate actions': head + some + '  1:\n    action: close\n' + some, 'duplicate element': head + '    filters:\n    - filtertype: pattern\n      kind: prefix\n      value: a\n      value: b\n',
        'flow': '{"actions": {"1": {"action": "open", "filters": [{"filtertype": "none"}]}}}', 'crlf': (head + some).replace('\n', '\r\n'), 'bom': '\ufeff' + head + some,
        'explicit document': '---\n' + head + some + '...\n', 'percent directive': '%YAML 1.1\n---\n' + head + some, 'tag on map': head + '    filters: !!seq [{filtertype: none}]\n',
        'python tag': head + '    filters: !!python/tuple [{filtertype: none}]\n', 'set': head + '    filters: !!set {a, b}\n',
        'octal key': 'actions:\n  010: {action: open, filters: [{filtertype: none}]}\n  9: {action: close, filters: [{filtertype: none}]}\n',
        'float key': 'actions:\n  1.5: {action: open, filters: [{filtertype: none}]}\n  1: {action: close, filters: [{filtertype: none}]}\n',
        'bool key': 'actions:\n  yes: {action: open, filters: [{filtertype: none}]}\n', 'null key': 'actions:\n  ~: {action: open, filters: [{filtertype: none}]}\n',
        'list key': 'actions:\n  [1]: {action: open, filters: [{filtertype: none}]}\n', 'same keys': 'actions:\n  1: {action: open, filters: [{filtertype: none}]}\n  "1": {action: open, filters: [{filtertype: none}]}\n',
        'env action': head.replace('delete_indices', '${UNSET:open}') + some, 'env filters': head + '    filters: ${UNSET}\n', 'env type': head + '    filters:\n    - filtertype: ${UNSET:none}\n',
        'env unset type': head + '    filters:\n    - filtertype: ${UNSET}\n', 'env exclude': head + '    filters:\n    - filtertype: pattern\n      kind: prefix\n      value: a\n      exclude: ${UNSET}\n',
        'env value': head + '    filters:\n    - filtertype: pattern\n      kind: prefix\n      value: ${UNSET}\n',
        'env in key': 'actions:\n  1:\n    action: open\n    ${WORD}: x\n' + some,
    }.items():
        text(f'yaml/{name}', body)


def mixtures():
    """Several actions drawn from the cases so far."""
    rng = random.Random(6)
    pool = [n for n in CASES if n.startswith(('option/', 'filter/', 'plain/', 'filters/'))]
    for i in range(60):
        bodies = []
        for name in rng.sample(pool, 3):
            try:
                bodies.append(yaml.safe_load(CASES[name])['actions'][1])
            except (TypeError, KeyError):
                pass
        case(f'mixture/{i}', *bodies)


def normal(v):
    if isinstance(v, dict):
        return {str(k): normal(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [normal(x) for x in v]
    if isinstance(v, float) and (v != v or v in (float('inf'), float('-inf'))):
        return str(v)
    return v if isinstance(v, (str, int, float, bool, type(None))) else str(v)


def answer(body):
    with tempfile.NamedTemporaryFile('w', suffix='.yml', encoding='utf-8', newline='') as f:
        f.write(body)
        f.flush()
        try:
            actions = validate_actions(get_yaml(f.name))['actions']
            order = sorted(actions)
        except BaseException:  # pylint: disable=broad-except
            return None
    return [{'id': str(k), 'action': actions[k]['action'], 'options': normal(actions[k]['options']),
             'filters': [f['filtertype'] for f in actions[k].get('filters') or []]} for k in order]


def main():
    options()
    structure()
    filters()
    spellings()
    mixtures()
    lines = []
    for name, body in CASES.items():
        got = answer(body)
        lines.append(json.dumps({'name': name, 'text': body, **({} if got is None else {'actions': got})}, sort_keys=True))
    with open(sys.argv[1], 'wb') as f:
        f.write(gzip.compress(('[\n' + ',\n'.join(lines) + '\n]\n').encode(), mtime=0))
    print(len(lines), 'cases')


main()
