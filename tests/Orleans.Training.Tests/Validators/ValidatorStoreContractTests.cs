using Orleans.Training.Grains;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>What every <see cref="IValidatorStore"/> promises; each implementation passes all of it.</summary>
public abstract class ValidatorStoreContractTests
{
    public enum Fault
    {
        None,
        FailNotPersisted,
        FailButPersisted,
    }

    private protected abstract Task<IValidatorStore> Open(Func<WriteFrame, WriteFrame>? disk = null);

    [Fact]
    public async Task NewJournal_Reads_Nothing()
    {
        await using var store = await Open();
        Assert.Empty(await ReadAll(store));
    }

    [Fact]
    public async Task Records_AreReadBackInOrder_AfterEachReopening()
    {
        var expected = new List<string>();
        for (var opening = 0; opening < 3; opening++)
        {
            await using var store = await Open();
            Assert.Equal(expected, await ReadAll(store));
            for (var i = 0; i < 5; i++)
            {
                JournalRecord[] records = [Record(JournalRecordKind.Block, opening * 10 + i, 1000 * i), Record(JournalRecordKind.Guard, i, 96), new(JournalRecordKind.Final, default)];
                await store.Append(records, default);
                expected.AddRange(records.Select(Show));
            }
        }

        await using var last = await Open();
        Assert.Equal(expected, await ReadAll(last));
    }

    [Fact]
    public async Task AppendBeforeReading_IsRefused()
    {
        await using var store = await Open();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await store.Append([Record(JournalRecordKind.Guard, 1, 96)], default));
    }

    [Fact]
    public async Task Append_OverItsLimit_IsRefusedAndHarmsNothing()
    {
        await using var store = await Open();
        await ReadAll(store);
        var largest = new byte[JournalFormat.AppendBytes - JournalFormat.RecordHeaderBytes];
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.Append([new(JournalRecordKind.Block, new byte[largest.Length + 1])], default));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.Append([], default));
        await store.Append([new(JournalRecordKind.Block, largest)], default);
        Assert.Single(await ReadAll(store));
    }

    [Fact]
    public async Task Reading_WhileAppending_SeesEverythingDurableBefore()
    {
        await using var store = await Open();
        await ReadAll(store);
        for (var i = 0; i < 5; i++)
        {
            await store.Append([Record(JournalRecordKind.Certificate, i, 10)], default);
            Assert.Equal(i + 1, (await ReadAll(store)).Count);
        }
    }

    [Fact]
    public async Task ConcurrentAppends_AreAllThere_EachWhole()
    {
        const int Appends = 200;
        await using (var store = await Open())
        {
            await ReadAll(store);
            await Task.WhenAll(Enumerable.Range(0, Appends).Select(i => store.Append([Record(JournalRecordKind.Block, i, 50), Record(JournalRecordKind.Guard, i, 96)], default).AsTask()).ToArray());
        }

        await using var reopened = await Open();
        var read = await ReadAll(reopened);
        Assert.Equal(2 * Appends, read.Count);
        for (var i = 0; i < Appends; i++) Assert.Equal([Show(Record(JournalRecordKind.Block, i, 50)), Show(Record(JournalRecordKind.Guard, i, 96))], read[(2 * i)..(2 * i + 2)]);
    }

    [Theory]
    [InlineData(Fault.None, 2)]
    [InlineData(Fault.FailNotPersisted, 1)]
    [InlineData(Fault.FailButPersisted, 2)]
    public async Task Journal_AfterFaultyAppend_HoldsWhatWasWritten(Fault fault, int records)
    {
        await using (var store = await Open(write => FailAt(2, fault, write)))
        {
            await ReadAll(store);
            await store.Append([Record(JournalRecordKind.Guard, 1, 96)], default);
            if (fault is Fault.None)
            {
                await store.Append([Record(JournalRecordKind.Guard, 2, 96)], default);
            }
            else
            {
                Assert.Equal("OT-4002", (await Refused(store, 2)).Code);
                Assert.Equal("OT-4002", (await Refused(store, 3)).Code);
            }
        }

        await using var reopened = await Open();
        Assert.Equal(Enumerable.Range(1, records).Select(i => Show(Record(JournalRecordKind.Guard, i, 96))), await ReadAll(reopened));
        await reopened.Append([Record(JournalRecordKind.Guard, 4, 96)], default);
        Assert.Equal(records + 1, (await ReadAll(reopened)).Count);
    }

    [Fact]
    public async Task Append_AfterClosing_IsRefused()
    {
        var store = await Open();
        await ReadAll(store);
        await store.DisposeAsync();
        Assert.Equal("OT-4002", (await Refused(store, 1)).Code);
    }

    private protected static async Task<OperationalException> Refused(IValidatorStore store, int number) =>
        await Assert.ThrowsAnyAsync<OperationalException>(async () => await store.Append([Record(JournalRecordKind.Guard, number, 96)], default));

    private protected static JournalRecord Record(JournalRecordKind kind, int number, int length)
    {
        var content = new byte[length];
        new Random(number).NextBytes(content);
        return new JournalRecord(kind, content);
    }

    private protected static async Task<List<string>> ReadAll(IValidatorStore store)
    {
        var all = new List<string>();
        await foreach (var records in store.Read(default)) all.AddRange(records.Select(Show));
        return all;
    }

    private protected static string Show(JournalRecord record) => $"{record.Kind} {record.Content.Length} {Protocol.Digest.Of(record.Content.Span)}";

    private static WriteFrame FailAt(long failing, Fault fault, WriteFrame write) => async (number, previous, frame) =>
    {
        if (fault is Fault.None || number != failing)
        {
            await write(number, previous, frame);
            return;
        }

        if (fault is Fault.FailButPersisted) await write(number, previous, frame);
        throw new IOException("No space left on device");
    };
}
