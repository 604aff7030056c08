"""Speed and quality beside other tools, each table by one command."""

from tools import fresh_seeds

fresh_seeds.install()
