using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>Keeps a note; the smallest grain with state.</summary>
[Alias("Orleans.Training.Tests.INoteGrain")]
public interface INoteGrain : IGrainWithStringKey
{
    [Alias("Write")]
    Task Write(string text);

    [Alias("Read")]
    Task<string> Read();

    [Alias("Where")]
    Task<string> Where();

    [Alias("Remind")]
    Task Remind(string name);

    [Alias("Reminders")]
    Task<string[]> Reminders();

    [Alias("Forget")]
    Task Forget(string name);
}

[GenerateSerializer, Alias("Orleans.Training.Tests.Note")]
public sealed class Note
{
    [Id(0)]
    public string Text { get; set; } = "";
}

[GrainType("test.note")]
internal sealed class NoteGrain([PersistentState("note")] IPersistentState<Note> note, ILocalSiloDetails silo) : Grain, INoteGrain, IRemindable
{
    public async Task Write(string text)
    {
        note.State.Text = text;
        await note.WriteStateAsync();
    }

    public Task<string> Read() => Task.FromResult(note.State.Text);

    public Task<string> Where() => Task.FromResult(silo.Name);

    public Task Remind(string name) => this.RegisterOrUpdateReminder(name, TimeSpan.FromHours(1), TimeSpan.FromHours(2));

    public async Task<string[]> Reminders() => [.. (await this.GetReminders()).Select(reminder => reminder.ReminderName).Order(StringComparer.Ordinal)];

    public async Task Forget(string name) => await this.UnregisterReminder((await this.GetReminder(name))!);

    public Task ReceiveReminder(string reminderName, TickStatus status) => Task.CompletedTask;
}

/// <summary>Says where it is; two classes want two different labels.</summary>
[Alias("Orleans.Training.Tests.IWhereGrain")]
public interface IWhereGrain : IGrainWithIntegerKey
{
    [Alias("Where")]
    Task<string> Where();
}

[Alias("Orleans.Training.Tests.INowhereGrain")]
public interface INowhereGrain : IGrainWithIntegerKey
{
    [Alias("Where")]
    Task<string> Where();
}

[GrainType("test.where"), RequireSiloMetadata("role", "trainer")]
internal sealed class WhereGrain(ILocalSiloDetails silo) : Grain, IWhereGrain
{
    public Task<string> Where() => Task.FromResult(silo.Name);
}

[GrainType("test.nowhere"), RequireSiloMetadata("role", "gpu")]
internal sealed class NowhereGrain(ILocalSiloDetails silo) : Grain, INowhereGrain
{
    public Task<string> Where() => Task.FromResult(silo.Name);
}

[Alias("Orleans.Training.Tests.ISpreadGrain")]
public interface ISpreadGrain : IGrainWithIntegerKey
{
    [Alias("Where")]
    Task<string> Where();
}

[GrainType("test.spread"), SpreadEvenly]
internal sealed class SpreadGrain(ILocalSiloDetails silo) : Grain, ISpreadGrain
{
    public Task<string> Where() => Task.FromResult(silo.Name);
}
