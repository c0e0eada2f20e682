using EhrGrains.Contracts;
using EhrGrains.Silo;
using Microsoft.Extensions.Options;

try
{
    await using var app = SiloHost.Build(args);
    await app.RunAsync();
    return 0;
}
catch (OptionsValidationException e)
{
    // Logging is not there yet, and who starts a silo by hand reads the terminal.
    foreach (var failure in e.Failures)
    {
        await Console.Error.WriteLineAsync($"EhrGrains:{failure}");
    }

    return 2;
}
catch (ProblemException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return e.Kind == ProblemKind.Invalid ? 2 : 1;
}
