using Orleans.Training.Grains.Contracts;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.EndToEnd;

/// <summary>A ledger's records that a test has put there itself.</summary>
internal sealed class TestRecords : IContractsGrain
{
    private readonly SortedDictionary<string, byte[]> _records = new(StringComparer.Ordinal);

    public void Put(string key, StateRecord record) => _records[key] = record.Encode();

    public bool Has(string key) => _records.ContainsKey(key);

    public Task<byte[]?> Find(string key) => Task.FromResult(_records.GetValueOrDefault(key));

    public Task<StateItem[]> List(string prefix, string? after, int first) =>
        Task.FromResult(Below(prefix).Where(pair => after is null || string.CompareOrdinal(pair.Key, after) > 0).Take(Math.Min(first, 100)).Select(pair => new StateItem(pair.Key, pair.Value)).ToArray());

    public Task<long> Count(string prefix) => Task.FromResult((long)Below(prefix).Count());

    private IEnumerable<KeyValuePair<string, byte[]>> Below(string prefix) => _records.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal));
}
