using System.CommandLine;
using Orleans.Training.Client.Logs;
using Orleans.Training.Grains;

namespace Orleans.Training.Cli.Logs;

/// <summary>Commands that look at a log once, or again and again (<c>--every</c>): then what fails is said, and tried again; only a finding ends them.</summary>
internal static class Repetition
{
    /// <summary>The option.</summary>
    public static Option<int> Every()
    {
        var every = new Option<int>("--every") { Description = "Seconds from one time to the next; 0: once.", DefaultValueFactory = _ => 0 };
        every.Validators.Add(result => { if (result.GetValue(every) is < 0 or > 86_400) result.AddError("--every is 0 to 86400 seconds."); });
        return every;
    }

    /// <summary>Acts once and gives its exit code; or, with a pause between, until one is <see cref="ExitCode.CheckFailed"/>.</summary>
    public static async Task<int> Run(TimeSpan every, Func<Task<int>> act, CancellationToken cancellationToken)
    {
        if (every == TimeSpan.Zero) return await act();
        while (true)
        {
            try
            {
                if (await act() is ExitCode.CheckFailed) return ExitCode.CheckFailed;
            }
            catch (Exception exception) when (exception is OperationalException or LogException)
            {
                Console.Error.WriteLine(exception.Message);
            }

            await Task.Delay(every, cancellationToken);
        }
    }
}
