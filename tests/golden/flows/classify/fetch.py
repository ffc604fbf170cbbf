from house import ToolProvider, tool

from pfserve.values.connections import CustomConnection


class Fetcher(ToolProvider):
    def __init__(self, site: CustomConnection, retries: int = 1):
        self.site, self.retries = site, retries

    @tool
    async def fetch(self, url: str):
        return f"{self.site.agent} {url} {self.retries}"
