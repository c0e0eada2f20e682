using EhrGrains.Cli.Commands;

return await CommandTree.RunAsync(args, CancellationToken.None);
