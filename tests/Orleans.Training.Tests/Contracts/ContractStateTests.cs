using Orleans.Training.Protocol.Contracts;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Contracts;

public sealed class ContractStateTests(ITestOutputHelper output)
{
    private static readonly string[] Parts = ["", "a", "ab", "b", "-", "/", "~", "a/", "a/0", "a0", "z"];

    [Fact]
    public void Range_AndCount_GiveWhatLookingAtEveryKeyGives()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var i = 0; i < 200; i++)
        {
            var state = ContractState.Empty;
            // In several steps, some of which write a key again.
            for (var step = random.Next(4); step >= 0; step--) state = state.With([.. Enumerable.Range(0, random.Next(30)).Select(_ => Key()).Distinct().Select(key => KeyValuePair.Create(key, (StateRecord)new CountRecord(random.Next())))], []);
            for (var query = 0; query < 50; query++)
            {
                var prefix = Key();
                var after = random.Next(3) == 0 ? null : random.Next(2) == 0 ? prefix + Key() : Key();
                var expected = state.Records.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
                Assert.True(expected.Length == state.Count(prefix), $"seed {seed}, prefix '{prefix}'");
                Assert.True(expected.Select(pair => pair.Value).SequenceEqual(state.All<CountRecord>(prefix)), $"seed {seed}, prefix '{prefix}'");
                Assert.True(expected.Where(pair => after is null || string.CompareOrdinal(pair.Key, after) > 0).SequenceEqual(state.Range(prefix, after)), $"seed {seed}, prefix '{prefix}' after '{after}'");
            }
        }

        string Key() => string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => Parts[random.Next(Parts.Length)]));
    }
}
