"""The legend of dimension letters: a tensor's name ends in its dimensions.

| letter | dimension                         | letter | dimension                 |
|--------|-----------------------------------|--------|---------------------------|
| B      | batch                             | H      | query heads               |
| T      | time: positions that ask (query)  | K      | key and value heads       |
| S      | source: positions seen (key)      | G      | query heads per key head  |
| D      | model width                       | E      | width of one head         |
| F      | feed-forward width                | V      | vocabulary                |
| N      | B × T, flattened                  |        |                           |
"""
